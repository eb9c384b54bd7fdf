// Row kernels. Compiled several times with DLMC_LEVEL set to baseline, avx2 or avx512: everything lives
// in a namespace of that name, and no inline function of a library is used, so that the linker cannot
// pick the code of one level for another. Sums run in a fixed number of lanes: the compiler can
// vectorise them without changing the order of additions.
#include "rows.h"

#define DLMC_JOIN2(a, b) a##b
#define DLMC_JOIN(a, b) DLMC_JOIN2(a, b)

namespace dlmc {
namespace DLMC_LEVEL {

// Elements summed side by side.
constexpr int64_t LANES = 16;

static inline float load(float x) { return x; }
static inline double load(double x) { return x; }
static inline float load(bf16 x) { return __builtin_bit_cast(float, uint32_t(x.bits) << 16); }

static inline void store(float* to, float x) { *to = x; }
static inline void store(double* to, double x) { *to = x; }
// Rounds to the nearest, ties to even.
static inline void store(bf16* to, float x) {
  uint32_t u = __builtin_bit_cast(uint32_t, x);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  to->bits = (u & 0x7fffffffu) > 0x7f800000u ? uint16_t(0x7fc0) : uint16_t(rounded);
}

static inline float root(float x) { return __builtin_sqrtf(x); }
static inline double root(double x) { return __builtin_sqrt(x); }
static inline float logarithm(float x) { return __builtin_logf(x); }
static inline double logarithm(double x) { return __builtin_log(x); }
static inline double exponential(double x) { return __builtin_exp(x); }
// Within 2 ulp on [-87, 88], clamped outside; NaN stays NaN. The polynomial is Cephes' expf.
static inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  float shifted = x * 1.44269504088896341f + magic;
  float n = shifted - magic;
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t exponent = __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, magic);
  return p * __builtin_bit_cast(float, (exponent + 127) << 23);
}

// term(0) + ... + term(n - 1)
template <class A, class F>
static inline A sum(int64_t n, F term) {
  A lanes[LANES] = {};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int64_t j = 0; j < LANES; ++j) lanes[j] += term(i + j);
  for (int64_t j = 0; i < n; ++i, ++j) lanes[j] += term(i);
  A total = 0;
  for (int64_t j = 0; j < LANES; ++j) total += lanes[j];
  return total;
}

template <class T>
static void rms_norm(const T* __restrict x, const T* __restrict gain, T* __restrict y, wide<T>* __restrict rstd, int64_t n, int64_t d, double eps) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, x += d, y += d) {
    A squares = sum<A>(d, [=](int64_t j) { return load(x[j]) * load(x[j]); });
    A r = A(1) / root(squares / A(d) + A(eps));
    rstd[i] = r;
    for (int64_t j = 0; j < d; ++j) store(&y[j], load(x[j]) * r * load(gain[j]));
  }
}

template <class T>
static void rms_norm_grad(const T* __restrict dy, const T* __restrict x, const T* __restrict gain, const wide<T>* __restrict rstd, T* __restrict dx, wide<T>* __restrict dgain, int64_t n,
                          int64_t d) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, dy += d, x += d, dx += d) {
    A r = rstd[i];
    A dot = sum<A>(d, [=](int64_t j) { return load(dy[j]) * load(gain[j]) * load(x[j]); });
    A share = r * r * dot / A(d);
    for (int64_t j = 0; j < d; ++j) {
      A g = load(dy[j]), v = load(x[j]);
      dgain[j] += g * v * r;
      store(&dx[j], r * (g * load(gain[j]) - v * share));
    }
  }
}

template <class T>
static void layer_norm(const T* __restrict x, const T* __restrict gain, T* __restrict y, wide<T>* __restrict mean, wide<T>* __restrict rstd, int64_t n, int64_t d, double eps) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, x += d, y += d) {
    A m = sum<A>(d, [=](int64_t j) { return load(x[j]); }) / A(d);
    A squares = sum<A>(d, [=](int64_t j) { return (load(x[j]) - m) * (load(x[j]) - m); });
    A r = A(1) / root(squares / A(d) + A(eps));
    mean[i] = m;
    rstd[i] = r;
    for (int64_t j = 0; j < d; ++j) store(&y[j], (load(x[j]) - m) * r * load(gain[j]));
  }
}

template <class T>
static void layer_norm_grad(const T* __restrict dy, const T* __restrict x, const T* __restrict gain, const wide<T>* __restrict mean, const wide<T>* __restrict rstd, T* __restrict dx,
                            wide<T>* __restrict dgain, int64_t n, int64_t d) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, dy += d, x += d, dx += d) {
    A m = mean[i], r = rstd[i];
    A total = sum<A>(d, [=](int64_t j) { return load(dy[j]) * load(gain[j]); }) / A(d);
    A dot = sum<A>(d, [=](int64_t j) { return load(dy[j]) * load(gain[j]) * (load(x[j]) - m) * r; }) / A(d);
    for (int64_t j = 0; j < d; ++j) {
      A g = load(dy[j]), normal = (load(x[j]) - m) * r;
      dgain[j] += g * normal;
      store(&dx[j], r * (g * load(gain[j]) - total - normal * dot));
    }
  }
}

template <class T>
static void rope(const T* __restrict x, int64_t x_step, T* __restrict y, int64_t y_step, const wide<T>* __restrict cos, const wide<T>* __restrict sin, wide<T> sign,
                 int64_t n, int64_t d) {
  using A = wide<T>;
  const int64_t half = d / 2;
  for (int64_t i = 0; i < n; ++i, x += x_step, y += y_step) {
    auto turn = [&](int64_t j) {
      A a = load(x[j]), b = load(x[j + half]), c = cos[j], s = sign * sin[j];
      store(&y[j], a * c - b * s);
      store(&y[j + half], b * c + a * s);
    };
    int64_t j = 0;
    for (; j + LANES <= half; j += LANES)
      for (int64_t lane = 0; lane < LANES; ++lane) turn(j + lane);
    for (; j < half; ++j) turn(j);
  }
}

template <class T>
static void silu(const T* __restrict x, T* __restrict y, int64_t n) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i) {
    A v = load(x[i]), s = A(1) / (A(1) + exponential(-v));
    store(&y[i], v * s);
  }
}

template <class T>
static void silu_grad(const T* __restrict dy, const T* __restrict x, T* __restrict dx, int64_t n) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i) {
    A v = load(x[i]), s = A(1) / (A(1) + exponential(-v));
    store(&dx[i], load(dy[i]) * s * (A(1) + v * (A(1) - s)));
  }
}

template <class T>
static void nll(const T* __restrict logits, const int64_t* __restrict targets, wide<T>* __restrict nll, wide<T>* __restrict lse, int64_t n, int64_t d, int64_t live) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, logits += d) {
    A lanes[LANES];
    for (int64_t j = 0; j < LANES; ++j) lanes[j] = load(logits[0]);
    int64_t at = 0;
    for (; at + LANES <= live; at += LANES)
      for (int64_t j = 0; j < LANES; ++j) {
        A v = load(logits[at + j]);
        lanes[j] = lanes[j] > v ? lanes[j] : v;
      }
    A max = lanes[0];
    for (int64_t j = 1; j < LANES; ++j) max = max > lanes[j] ? max : lanes[j];
    for (; at < live; ++at) max = max > load(logits[at]) ? max : load(logits[at]);
    A total = sum<A>(live, [=](int64_t j) { return exponential(load(logits[j]) - max); });
    lse[i] = max + logarithm(total);
    nll[i] = lse[i] - load(logits[targets[i]]);
  }
}

template <class T>
static void nll_grad(const wide<T>* __restrict dnll, const T* __restrict logits, const int64_t* __restrict targets, const wide<T>* __restrict lse, T* __restrict dlogits,
                     int64_t n, int64_t d, int64_t live) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, logits += d, dlogits += d) {
    A g = dnll[i], l = lse[i];
    // A position without weight has no gradient, however wild its logits are.
    if (g == A(0)) {
      for (int64_t j = 0; j < d; ++j) store(&dlogits[j], A(0));
      continue;
    }
    for (int64_t j = 0; j < live; ++j) store(&dlogits[j], g * exponential(load(logits[j]) - l));
    for (int64_t j = live; j < d; ++j) store(&dlogits[j], A(0));
    int64_t target = targets[i];
    store(&dlogits[target], target < live ? g * exponential(load(logits[target]) - l) - g : -g);
  }
}

template <class T>
static void embed_grad(const T* __restrict dy, const int64_t* __restrict index, wide<T>* __restrict out, int64_t n, int64_t d, int64_t from, int64_t to) {
  for (int64_t i = 0; i < n; ++i) {
    wide<T>* row = out + index[i] * d;
    const T* of = dy + i * d;
    for (int64_t j = from; j < to; ++j) row[j] += load(of[j]);
  }
}

template <class T>
static void adamw(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t n, const AdamWStep& step, double* sums) {
  const T factor = T(step.gradient_factor), decay = T(step.decay_factor);
  const T one_minus_beta1 = T(1 - step.beta1), beta2 = T(step.beta2), one_minus_beta2 = T(1 - step.beta2);
  const T eps = T(step.eps), step_size = T(step.step_size), root2 = T(step.root_correction2);
  T weights[LANES] = {}, changes[LANES] = {};
  auto update = [&](int64_t i, int64_t lane) {
    T gradient = g[i] * factor, old = p[i];
    T first = m[i] + one_minus_beta1 * (gradient - m[i]);
    T second = v[i] * beta2 + one_minus_beta2 * gradient * gradient;
    T next = old * decay - step_size * (first / (root(second) / root2 + eps));
    m[i] = first;
    v[i] = second;
    p[i] = next;
    weights[lane] += old * old;
    changes[lane] += (next - old) * (next - old);
  };
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int64_t j = 0; j < LANES; ++j) update(i + j, j);
  for (; i < n; ++i) update(i, 0);
  for (int64_t j = 0; j < LANES; ++j) {
    sums[0] += weights[j];
    sums[1] += changes[j];
  }
}

// In f64 lanes: a square of a large fp32 gradient overflows fp32.
template <class T>
static double square_sum(const T* __restrict x, int64_t n) {
  return sum<double>(n, [=](int64_t i) { return double(x[i]) * double(x[i]); });
}

template <class T>
static constexpr Rows<T> rows() {
  return {rms_norm<T>, rms_norm_grad<T>, layer_norm<T>, layer_norm_grad<T>, rope<T>,
          silu<T>,     silu_grad<T>,     nll<T>,        nll_grad<T>,        embed_grad<T>};
}

static constexpr Table TABLE = {rows<bf16>(), rows<float>(), rows<double>(),
                                {adamw<float>, square_sum<float>}, {adamw<double>, square_sum<double>}};

}  // namespace DLMC_LEVEL

const Table& DLMC_JOIN(rows_, DLMC_LEVEL)() { return DLMC_LEVEL::TABLE; }

}  // namespace dlmc
