// Attention in bf16 with AVX512-BF16, for src/graph/ops/attend.rs. A task takes one head of one sequence:
// blocks of queries meet blocks of keys, scores stay in fp32 in the caches, and all sums are fp32. What is
// rounded to bf16 is what matrix products read, probabilities and their gradients among it, and the results.
// No inline function of a library is used: the linker could pick its code for other files.
//
// Operands of products. Columns of the right one lie in panels of 64, each row of which holds pairs: the
// elements of two neighbouring rows of the matrix, side by side, as the instruction takes them. The left
// one is read pair by pair, from its rows (`ALONG`) or from pairs of its columns' rows (`ACROSS`).
#include "attention.h"

#include <immintrin.h>

namespace dlmc {
namespace {

using pair = uint32_t;  // two elements of bf16

// Queries and keys that meet at once: their scores and gradients fit the second cache with what they are
// multiplied by. Queries that one task of the forward pass takes. All are multiples of 16.
constexpr int64_t QUERIES = 32, KEYS = 256, TASK_QUERIES = 512;
constexpr int64_t PANEL = 64, LANES = 16;
// Floats from one row of scores to the next: not a power of two, which would crowd few sets of the caches.
constexpr int64_t STEP = KEYS + LANES;
constexpr float LOG2_E = 1.44269504088896341f, LN_2 = 0.693147180559945309f, INF = __builtin_inff();

static_assert(KEYS == LANES * LANES, "a row's vectors are looked at in the lanes of one");

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
inline __mmask16 first(int64_t n) { return n >= 16 ? __mmask16(0xffff) : n <= 0 ? __mmask16(0) : __mmask16((1u << n) - 1); }
inline __mmask32 first32(int64_t n) { return n >= 32 ? __mmask32(~0u) : n <= 0 ? __mmask32(0) : __mmask32((1u << n) - 1); }

// 0, 1, .., 15
inline __m512i count() { return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0); }

// ---- Matrix products.

enum Order { ALONG, ACROSS };

// Rows of a tile of so many vectors: as many sums as registers hold, with room for what is multiplied.
constexpr int tile_rows(int vectors) { return vectors == 4 ? 6 : vectors == 3 ? 8 : 12; }

template <int M, int N, Order ORDER>
[[gnu::noinline]] void tile(const pair* a, const pair* b, int64_t n_pairs, float* c, int64_t c_step, bool add) {
  __m512 sums[M][N];
#pragma GCC unroll 12
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sums[i][j] = add ? _mm512_loadu_ps(c + i * c_step + LANES * j) : _mm512_setzero_ps();
  for (int64_t p = 0; p < n_pairs; ++p) {
    __m512i right[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) right[j] = _mm512_loadu_si512(b + LANES * j);
#pragma GCC unroll 12
    for (int i = 0; i < M; ++i) {
      __m512i left = _mm512_set1_epi32(int(ORDER == ALONG ? a[i * STEP] : a[i]));
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], (__m512bh)left, (__m512bh)right[j]);
    }
    a += ORDER == ALONG ? 1 : 2 * STEP;
    b += PANEL;
  }
#pragma GCC unroll 12
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) _mm512_storeu_ps(c + i * c_step + LANES * j, sums[i][j]);
}

template <int N, Order ORDER, int M = tile_rows(N)>
inline void tile_of(int64_t rows, const pair* a, const pair* b, int64_t n_pairs, float* c, int64_t c_step, bool add) {
  if constexpr (M > 1)
    if (rows < M) return tile_of<N, ORDER, M - 1>(rows, a, b, n_pairs, c, c_step, add);
  tile<M, N, ORDER>(a, b, n_pairs, c, c_step, add);
}

// c = a b, or c + a b, for columns from..to of b (multiples of 16), the first of which goes to column 0 of c.
// `panel` is the pairs from one panel of b to the next.
template <Order ORDER>
void product(const pair* a, int64_t rows, int64_t n_pairs, const pair* b, int64_t panel, int64_t from, int64_t to,
             float* c, int64_t c_step, bool add) {
  for (int64_t column = from; column < to;) {
    int64_t within = column % PANEL, n = least(PANEL - within, to - column) / LANES;
    const pair* right = b + column / PANEL * panel + within;
    // Tiles of nearly the same height keep the instruction's latency hidden in all of them.
    int64_t height = tile_rows(int(n)), n_tiles = (rows + height - 1) / height;
    for (int64_t t = 0; t < n_tiles; ++t) {
      int64_t row = rows * t / n_tiles, m = rows * (t + 1) / n_tiles - row;
      const pair* left = a + row * (ORDER == ALONG ? STEP : 1);
      float* to_c = c + row * c_step + column - from;
      switch (n) {
        case 4: tile_of<4, ORDER>(m, left, right, n_pairs, to_c, c_step, add); break;
        case 3: tile_of<3, ORDER>(m, left, right, n_pairs, to_c, c_step, add); break;
        case 2: tile_of<2, ORDER>(m, left, right, n_pairs, to_c, c_step, add); break;
        default: tile_of<1, ORDER>(m, left, right, n_pairs, to_c, c_step, add);
      }
    }
    column += n * LANES;
  }
}

// ---- Laying out operands.

inline void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// Rows of a head lie apart, where the machine does not see which comes next.
constexpr int64_t AHEAD = 16;
inline void fetch(const bf16* row, int64_t width) {
  for (int64_t column = 0; column < width; column += 32) _mm_prefetch((const char*)(row + column), _MM_HINT_T0);
}

// The right operand of a product over the width: x [rows, width] turned round, a row of x to a column.
void lay_across(const bf16* x, int64_t step, int64_t rows, int64_t width, pair* to) {
  int64_t n_pairs = (width + 1) / 2;
  for (int64_t row = 0; row < rows; row += LANES) {
    for (int64_t i = row + LANES; i < least(rows, row + 2 * LANES); ++i) fetch(x + i * step, width);
    pair* panel = to + row / PANEL * n_pairs * PANEL + row % PANEL;
    for (int64_t p = 0; p < n_pairs; p += LANES) {
      __m512i block[16];
      for (int64_t i = 0; i < LANES; ++i)
        block[i] = row + i < rows ? _mm512_maskz_loadu_epi16(first32(width - 2 * p), x + (row + i) * step + 2 * p)
                                  : _mm512_setzero_si512();
      transpose(block);
      for (int64_t i = 0; i < least(LANES, n_pairs - p); ++i) _mm512_storeu_si512(panel + (p + i) * PANEL, block[i]);
    }
  }
}

// The right operand of a product over the rows of x [rows, width]; rows up to `padded`, an even number, are 0.
void lay_along(const bf16* x, int64_t step, int64_t rows, int64_t padded, int64_t width, pair* to) {
  alignas(64) int16_t low[32], high[32];
  for (int i = 0; i < 32; ++i) low[i] = int16_t(i / 2 + i % 2 * 32), high[i] = int16_t(low[i] + 16);
  __m512i lows = _mm512_load_si512(low), highs = _mm512_load_si512(high);
  int64_t panel = padded / 2 * PANEL;
  for (int64_t row = 0; row < padded; row += 2) {
    for (int64_t i = row + AHEAD; i < least(rows, row + AHEAD + 2); ++i) fetch(x + i * step, width);
    for (int64_t column = 0; column < width; column += 32) {
      __mmask32 live = first32(width - column);
      __m512i even = row < rows ? _mm512_maskz_loadu_epi16(live, x + row * step + column) : _mm512_setzero_si512();
      __m512i odd = row + 1 < rows ? _mm512_maskz_loadu_epi16(live, x + (row + 1) * step + column) : _mm512_setzero_si512();
      pair* at = to + column / PANEL * panel + row / 2 * PANEL + column % PANEL;
      _mm512_storeu_si512(at, _mm512_permutex2var_epi16(even, lows, odd));
      _mm512_storeu_si512(at + LANES, _mm512_permutex2var_epi16(even, highs, odd));
    }
  }
}

// A left operand: rows of x, with zeros up to whole vectors.
void lay_rows(const bf16* x, int64_t step, int64_t rows, int64_t width, pair* to) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < width; column += 32)
      _mm512_storeu_si512(to + row * STEP + column / 2,
                          _mm512_maskz_loadu_epi16(first32(width - column), x + row * step + column));
}

// Sums times a factor, as bf16.
inline void round_row(const float* sums, float factor, int64_t width, bf16* to) {
  __m512 factors = _mm512_set1_ps(factor);
  for (int64_t column = 0; column < width; column += LANES) {
    __m256bh rounded = _mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_loadu_ps(sums + column), factors));
    _mm256_mask_storeu_epi16(to + column, first(width - column), (__m256i)rounded);
  }
}

// ---- Who sees whom.

// What queries row..row + rows see of keys from..to: the vectors of keys that any of them sees, and for each
// query and vector the lanes that it sees.
struct Seen {
  int64_t from, to;  // multiples of 16; equal where nothing is seen
  uint16_t lanes[QUERIES][LANES];

  void find(const Attention& of, int64_t row, int64_t rows, int64_t first_key, int64_t last_key) {
    int64_t n_runs = of.n_runs;
    from = last_key, to = first_key;
    const int32_t* runs = of.runs + row * n_runs * 2;
    for (int64_t i = 0; i < rows * n_runs; ++i) {
      int64_t a = most(runs[2 * i], first_key), b = least(runs[2 * i + 1], last_key);
      if (a < b) from = least(from, a), to = most(to, b);
    }
    if (from >= to) {
      from = to = first_key;
      return;
    }
    from = from / LANES * LANES;
    to = up(to, LANES);
    // All vectors of a row at once, in a lane each: the bits of the keys below `to`, but for those below `from`.
    __m512i keys = _mm512_add_epi32(_mm512_set1_epi32(int(from)), _mm512_mullo_epi32(_mm512_set1_epi32(LANES), count()));
    auto below = [&](int32_t key) {
      __m512i n = _mm512_sub_epi32(_mm512_set1_epi32(key), keys);
      n = _mm512_min_epi32(_mm512_max_epi32(n, _mm512_setzero_si512()), _mm512_set1_epi32(LANES));
      return _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), n), _mm512_set1_epi32(1));
    };
    for (int64_t i = 0; i < rows; ++i, runs += 2 * n_runs) {
      __m512i seen = _mm512_setzero_si512();
      for (int64_t r = 0; r < n_runs; ++r)
        seen = _mm512_or_si512(seen, _mm512_andnot_si512(below(runs[2 * r]), below(runs[2 * r + 1])));
      _mm256_storeu_si256((__m256i*)lanes[i], _mm512_cvtepi32_epi16(seen));
    }
    // An odd query out has a partner that sees nothing.
    if (rows < QUERIES) _mm256_storeu_si256((__m256i*)lanes[rows], _mm256_setzero_si256());
  }
};

// ---- Softmax.

// 2^x within 2e-7 of it for x in [-125, 127], 2^-125 below; NaN stays NaN. The coefficients are fitted to the
// least relative error on [-1/2, 1/2].
inline __m512 power_of_two(__m512 x) {
  const __m512 magic = _mm512_set1_ps(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  x = _mm512_max_ps(_mm512_set1_ps(-125.0f), x);     // the second where either is NaN
  __m512 shifted = _mm512_add_ps(x, magic);
  __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(shifted, magic));
  __m512 p = _mm512_set1_ps(1.326472541e-3f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.671512768e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.550733749e-2f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.402224208e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.931469776e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  // The low bits of `shifted` are the whole number: as a shift of the exponent.
  __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
}

// As in rows.cpp; for positive numbers.
inline __m512 logarithm(__m512 x) {
  __m512i bits = _mm512_castps_si512(x);
  __m512i exponent = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f3504f3)), 23);
  __m512 e = _mm512_cvtepi32_ps(exponent);
  __m512 f = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(exponent, 23))), _mm512_set1_ps(1.0f));
  const float coefficients[] = {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                                -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
  __m512 p = _mm512_set1_ps(7.0376836292e-2f), square = _mm512_mul_ps(f, f);
  for (float c : coefficients) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c));
  __m512 tail = _mm512_fnmadd_ps(e, _mm512_set1_ps(2.12194440e-4f), _mm512_mul_ps(_mm512_mul_ps(p, f), square));
  tail = _mm512_fnmadd_ps(_mm512_set1_ps(0.5f), square, tail);
  return _mm512_fmadd_ps(e, _mm512_set1_ps(0.693359375f), _mm512_add_ps(f, tail));
}

// Rows of scores become probabilities in bf16 in the same place, over e^(max score) for the largest score so
// far. `earlier` is what sums over earlier keys are to be multiplied by. Rows go side by side through each step:
// one row's steps wait for each other.
void soften(float* scores, int64_t rows, int64_t n_vectors, const Seen& seen, float factor, float* largest, float* sum,
            float* earlier) {
  alignas(64) float now[QUERIES], offset[QUERIES];
  for (int64_t i = 0; i < rows; ++i) {
    __m512 maxima = _mm512_set1_ps(-INF);
    for (int64_t v = 0; v < n_vectors; ++v)
      maxima = _mm512_mask_max_ps(maxima, seen.lanes[i][v], maxima, _mm512_loadu_ps(scores + i * STEP + v * LANES));
    now[i] = _mm512_reduce_max_ps(maxima);
  }
  __m512 factors = _mm512_set1_ps(factor), none = _mm512_set1_ps(-INF);
  for (int64_t i = 0; i < rows; i += LANES) {
    __m512 before = _mm512_load_ps(largest + i), after = _mm512_max_ps(before, _mm512_load_ps(now + i));
    // What has seen nothing yet has no sums.
    __mmask16 old = _mm512_cmp_ps_mask(before, none, _CMP_NEQ_UQ), any = _mm512_cmp_ps_mask(after, none, _CMP_NEQ_UQ);
    __m512 less = _mm512_maskz_mul_ps(old, _mm512_maskz_sub_ps(old, before, after), factors);
    _mm512_store_ps(earlier + i, _mm512_maskz_mov_ps(old, power_of_two(less)));
    _mm512_store_ps(offset + i, _mm512_maskz_mul_ps(any, after, factors));
    _mm512_store_ps(largest + i, after);
  }
  for (int64_t i = 0; i < rows; ++i) {
    float* row = scores + i * STEP;
    bf16* out = reinterpret_cast<bf16*>(row);
    __m512 offsets = _mm512_set1_ps(offset[i]), sums = _mm512_setzero_ps();
    for (int64_t v = 0; v < n_vectors; ++v) {
      __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(row + v * LANES), factors, offsets);
      __m512 p = _mm512_maskz_mov_ps(seen.lanes[i][v], power_of_two(x));
      sums = _mm512_add_ps(sums, p);
      _mm256_storeu_si256((__m256i*)(out + v * LANES), (__m256i)_mm512_cvtneps_pbh(p));
    }
    sum[i] = sum[i] * earlier[i] + _mm512_reduce_add_ps(sums);
  }
}

inline float scale_of(const Attention& of) { return 1.0f / __builtin_sqrtf(float(of.width)); }

// Hands out parts of a thread's scratch; counts them alone where there is none.
struct Scratch {
  char* base;
  int64_t used = 0;
  template <class T>
  T* take(int64_t n) {
    T* at = reinterpret_cast<T*>(base + used);
    used += up(n * int64_t(sizeof(T)), 64);
    return at;
  }
};

// The parts of the two passes.
struct Forward {
  pair *queries, *keys, *values;
  float *scores, *sums;
  Forward(const Attention& of, Scratch& from)
      : queries(from.take<pair>(QUERIES * STEP)),
        keys(from.take<pair>(up(of.keys, PANEL) * ((of.width + 1) / 2))),
        values(from.take<pair>(up(of.keys, LANES) / 2 * up(of.width, PANEL))),
        scores(from.take<float>(QUERIES * STEP)),
        sums(from.take<float>(QUERIES * up(of.width, LANES))) {}
};

struct Backward {
  pair *query_rows, *dout_rows, *queries, *douts, *keys_across, *values_across, *keys;
  float *scores, *dscores, *dq, *dk, *dv, *delta;
  pair* ds;
  Backward(const Attention& of, Scratch& from)
      : query_rows(from.take<pair>(QUERIES * STEP)),
        dout_rows(from.take<pair>(QUERIES * STEP)),
        queries(from.take<pair>(up(of.queries, 2) / 2 * up(of.width, PANEL))),
        douts(from.take<pair>(up(of.queries, 2) / 2 * up(of.width, PANEL))),
        keys_across(from.take<pair>(up(of.keys, PANEL) * ((of.width + 1) / 2))),
        values_across(from.take<pair>(up(of.keys, PANEL) * ((of.width + 1) / 2))),
        keys(from.take<pair>(up(of.keys, LANES) / 2 * up(of.width, PANEL))),
        scores(from.take<float>(QUERIES * STEP)),
        dscores(from.take<float>(QUERIES * STEP)),
        dq(from.take<float>(of.queries * up(of.width, LANES))),
        dk(from.take<float>(up(of.keys, LANES) * up(of.width, LANES))),
        dv(from.take<float>(up(of.keys, LANES) * up(of.width, LANES))),
        delta(from.take<float>(of.queries)),
        ds(from.take<pair>(QUERIES * STEP)) {}
};

int64_t task_chunks(const Attention& of) { return (of.queries + TASK_QUERIES - 1) / TASK_QUERIES; }

// One block of queries against all keys.
void forward_block(const Attention& of, const Forward& at, Seen& seen, int64_t row, int64_t rows, const Heads& q,
                   const bf16* q_head, bf16* out, int64_t out_step, float* lse) {
  int64_t n_pairs = (of.width + 1) / 2, wide = up(of.width, LANES), key_pairs = up(of.keys, LANES) / 2;
  float scale = scale_of(of);
  alignas(64) float largest[QUERIES], sum[QUERIES], earlier[QUERIES];
  for (int64_t i = 0; i < QUERIES; ++i) largest[i] = -INF, sum[i] = 0.0f;
  lay_rows(q_head + row * q.row, q.row, rows, of.width, at.queries);
  bool any = false;
  for (int64_t first_key = 0; first_key < of.keys; first_key += KEYS) {
    seen.find(of, row, rows, first_key, least(of.keys, first_key + KEYS));
    if (seen.from == seen.to) continue;
    product<ALONG>(at.queries, rows, n_pairs, at.keys, n_pairs * PANEL, seen.from, seen.to, at.scores, STEP, false);
    int64_t n_vectors = (seen.to - seen.from) / LANES;
    soften(at.scores, rows, n_vectors, seen, scale * LOG2_E, largest, sum, earlier);
    for (int64_t i = 0; any && i < rows; ++i) {
      if (earlier[i] == 1.0f) continue;
      for (int64_t column = 0; column < wide; column += LANES) {
        float* to = at.sums + i * wide + column;
        _mm512_storeu_ps(to, _mm512_mul_ps(_mm512_loadu_ps(to), _mm512_set1_ps(earlier[i])));
      }
    }
    product<ALONG>(reinterpret_cast<pair*>(at.scores), rows, n_vectors * LANES / 2, at.values + seen.from / 2 * PANEL,
                   key_pairs * PANEL, 0, wide, at.sums, wide, any);
    any = true;
  }
  for (int64_t i = 0; i < rows; i += LANES) {
    __m512 sums = _mm512_load_ps(sum + i), log = logarithm(sums);
    __m512 value = _mm512_fmadd_ps(_mm512_load_ps(largest + i), _mm512_set1_ps(scale), log);
    // A query that sees nothing has no probabilities.
    __mmask16 none = _mm512_cmp_ps_mask(sums, _mm512_setzero_ps(), _CMP_EQ_OQ);
    _mm512_mask_storeu_ps(lse + row + i, first(rows - i), _mm512_mask_mov_ps(value, none, _mm512_set1_ps(-INF)));
  }
  for (int64_t i = 0; i < rows; ++i) {
    bool none = !any || sum[i] == 0.0f;
    if (none)
      for (int64_t column = 0; column < of.width; ++column) out[i * out_step + column].bits = 0;
    else
      round_row(at.sums + i * wide, 1.0f / sum[i], of.width, out + i * out_step);
  }
}

// Probabilities and gradients of scores of two queries, row and row + 1: both as pairs in place of the scores
// and of the gradients of probabilities, and the latter as rows too. `lse` is in powers of two.
inline void grad_of_scores(float* scores, float* dscores, int64_t n_vectors, const uint16_t* lanes0,
                           const uint16_t* lanes1, float factor, const float* lse, const float* delta, bool odd_out,
                           bf16* ds0, bf16* ds1, __m512i order) {
  __m512 factors = _mm512_set1_ps(factor);
  __m512 lse0 = _mm512_set1_ps(lse[0]), lse1 = _mm512_set1_ps(odd_out ? 0.0f : lse[1]);
  __m512 delta0 = _mm512_set1_ps(delta[0]), delta1 = _mm512_set1_ps(odd_out ? 0.0f : delta[1]);
  for (int64_t i = 0; i < n_vectors; ++i) {
    float *s = scores + i * LANES, *d = dscores + i * LANES;
    __m512 p0 = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(s), factors, lse0));
    __m512 p1 = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(s + STEP), factors, lse1));
    __mmask16 seen0 = lanes0[i], seen1 = lanes1[i];
    p0 = _mm512_maskz_mov_ps(seen0, p0);
    p1 = _mm512_maskz_mov_ps(seen1, p1);
    __m512 g0 = _mm512_maskz_mul_ps(seen0, p0, _mm512_sub_ps(_mm512_loadu_ps(d), delta0));
    __m512 g1 = _mm512_maskz_mul_ps(seen1, p1, _mm512_sub_ps(_mm512_loadu_ps(d + STEP), delta1));
    __m512i p = (__m512i)_mm512_cvtne2ps_pbh(p1, p0), g = (__m512i)_mm512_cvtne2ps_pbh(g1, g0);
    _mm512_storeu_si512(s, _mm512_permutexvar_epi16(order, p));
    _mm512_storeu_si512(d, _mm512_permutexvar_epi16(order, g));
    _mm256_storeu_si256((__m256i*)(ds0 + i * LANES), _mm512_castsi512_si256(g));
    _mm256_storeu_si256((__m256i*)(ds1 + i * LANES), _mm512_extracti64x4_epi64(g, 1));
  }
}

inline float dot(const bf16* x, const bf16* y, int64_t width) {
  __m512 sums = _mm512_setzero_ps();
  for (int64_t column = 0; column < width; column += 32) {
    __mmask32 live = first32(width - column);
    sums = _mm512_dpbf16_ps(sums, (__m512bh)_mm512_maskz_loadu_epi16(live, x + column),
                            (__m512bh)_mm512_maskz_loadu_epi16(live, y + column));
  }
  return _mm512_reduce_add_ps(sums);
}

// One head of queries; adds to the gradients of its keys and values.
void backward_head(const Attention& of, const Backward& at, Seen& seen, const Heads& dout, const Heads& q,
                   const bf16* dout_head, const bf16* q_head, const float* lse, __m512i order) {
  int64_t n_pairs = (of.width + 1) / 2, wide = up(of.width, LANES);
  int64_t key_pairs = up(of.keys, LANES) / 2, query_pairs = up(of.queries, 2) / 2;
  float factor = scale_of(of) * LOG2_E;
  for (int64_t first_key = 0; first_key < of.keys; first_key += KEYS) {
    int64_t last_key = least(of.keys, first_key + KEYS);
    for (int64_t row = 0; row < of.queries; row += QUERIES) {
      int64_t rows = least(QUERIES, of.queries - row);
      seen.find(of, row, rows, first_key, last_key);
      if (seen.from == seen.to) continue;
      int64_t n = seen.to - seen.from, pairs = (rows + 1) / 2;
      lay_rows(q_head + row * q.row, q.row, rows, of.width, at.query_rows);
      lay_rows(dout_head + row * dout.row, dout.row, rows, of.width, at.dout_rows);
      int64_t panel = n_pairs * PANEL;
      product<ALONG>(at.query_rows, rows, n_pairs, at.keys_across, panel, seen.from, seen.to, at.scores, STEP, false);
      product<ALONG>(at.dout_rows, rows, n_pairs, at.values_across, panel, seen.from, seen.to, at.dscores, STEP, false);
      for (int64_t i = 0; i < rows; i += 2) {
        bool odd_out = i + 1 == rows;
        float powers[2] = {lse[row + i] * LOG2_E, odd_out ? 0.0f : lse[row + i + 1] * LOG2_E};
        bf16* ds = reinterpret_cast<bf16*>(at.ds + i * STEP);
        grad_of_scores(at.scores + i * STEP, at.dscores + i * STEP, n / LANES, seen.lanes[i], seen.lanes[i + 1], factor,
                       powers, at.delta + row + i, odd_out, ds, ds + 2 * STEP, order);
      }
      const pair *p = reinterpret_cast<pair*>(at.scores), *g = reinterpret_cast<pair*>(at.dscores);
      product<ACROSS>(p, n, pairs, at.douts + row / 2 * PANEL, query_pairs * PANEL, 0, wide, at.dv + seen.from * wide,
                      wide, true);
      product<ACROSS>(g, n, pairs, at.queries + row / 2 * PANEL, query_pairs * PANEL, 0, wide, at.dk + seen.from * wide,
                      wide, true);
      product<ALONG>(at.ds, rows, n / 2, at.keys + seen.from / 2 * PANEL, key_pairs * PANEL, 0, wide,
                     at.dq + row * wide, wide, true);
    }
  }
}

void clear(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES) _mm512_storeu_ps(x + i, _mm512_setzero_ps());
}

}  // namespace

int64_t attention_tasks(const Attention& of) { return of.batch * of.heads * task_chunks(of); }

int64_t attention_scratch(const Attention& of) {
  Scratch none{nullptr};
  Forward parts(of, none);
  return none.used;
}

void attention(const Attention& of, Heads q, Heads k, Heads v, Heads out, float* lse, int64_t from, int64_t to,
               char* scratch) {
  Scratch parts{scratch};
  Forward at(of, parts);
  Seen seen;
  int64_t chunks = task_chunks(of), group = of.heads / of.shared_heads, laid = -1;
  for (int64_t task = from; task < to; ++task) {
    int64_t chunk = task % chunks, head = task / chunks % of.heads, b = task / chunks / of.heads, kv = head / group;
    // Neighbouring tasks often read the same keys.
    if (laid != b * of.shared_heads + kv) {
      lay_across(k.at(b, kv), k.row, of.keys, of.width, at.keys);
      lay_along(v.at(b, kv), v.row, of.keys, up(of.keys, LANES), of.width, at.values);
      laid = b * of.shared_heads + kv;
    }
    int64_t end = least(of.queries, (chunk + 1) * TASK_QUERIES);
    for (int64_t row = chunk * TASK_QUERIES; row < end; row += QUERIES)
      forward_block(of, at, seen, row, least(QUERIES, end - row), q, q.at(b, head), out.at(b, head) + row * out.row,
                    out.row, lse + (b * of.heads + head) * of.queries);
  }
}

int64_t attention_grad_tasks(const Attention& of) { return of.batch * of.shared_heads; }

int64_t attention_grad_scratch(const Attention& of) {
  Scratch none{nullptr};
  Backward parts(of, none);
  return none.used;
}

void attention_grad(const Attention& of, Heads dout, Heads q, Heads k, Heads v, Heads out, const float* lse, Heads dq,
                    Heads dk, Heads dv, int64_t from, int64_t to, char* scratch) {
  Scratch parts{scratch};
  Backward at(of, parts);
  Seen seen;
  alignas(64) int16_t words[32];
  for (int i = 0; i < 32; ++i) words[i] = int16_t(i / 2 + i % 2 * 16);
  __m512i order = _mm512_load_si512(words);
  int64_t group = of.heads / of.shared_heads, wide = up(of.width, LANES), even = up(of.queries, 2);
  float scale = scale_of(of);
  for (int64_t task = from; task < to; ++task) {
    int64_t kv = task % of.shared_heads, b = task / of.shared_heads;
    lay_across(k.at(b, kv), k.row, of.keys, of.width, at.keys_across);
    lay_across(v.at(b, kv), v.row, of.keys, of.width, at.values_across);
    lay_along(k.at(b, kv), k.row, of.keys, up(of.keys, LANES), of.width, at.keys);
    clear(at.dk, up(of.keys, LANES) * wide);
    clear(at.dv, up(of.keys, LANES) * wide);
    for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
      const bf16 *dout_head = dout.at(b, head), *q_head = q.at(b, head), *out_head = out.at(b, head);
      lay_along(q_head, q.row, of.queries, even, of.width, at.queries);
      lay_along(dout_head, dout.row, of.queries, even, of.width, at.douts);
      for (int64_t i = 0; i < of.queries; ++i) {
        if (i + AHEAD < of.queries) fetch(out_head + (i + AHEAD) * out.row, of.width);
        at.delta[i] = dot(dout_head + i * dout.row, out_head + i * out.row, of.width);
      }
      clear(at.dq, of.queries * wide);
      backward_head(of, at, seen, dout, q, dout_head, q_head, lse + (b * of.heads + head) * of.queries, order);
      bf16* dq_head = dq.at(b, head);
      for (int64_t i = 0; i < of.queries; ++i) round_row(at.dq + i * wide, scale, of.width, dq_head + i * dq.row);
    }
    bf16 *dk_head = dk.at(b, kv), *dv_head = dv.at(b, kv);
    for (int64_t i = 0; i < of.keys; ++i) {
      round_row(at.dk + i * wide, scale, of.width, dk_head + i * dk.row);
      round_row(at.dv + i * wide, 1.0f, of.width, dv_head + i * dv.row);
    }
  }
}

}  // namespace dlmc
