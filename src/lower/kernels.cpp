// What tch does not reach, and CPU kernels over whole tensors. Every function gives null, or a message
// that the caller frees with dlmc_free; nothing is thrown across. Tensors come and go as `at::Tensor*`;
// results are new and belong to the caller. Work is cut into blocks whose size depends on the tensor
// alone, so results do not depend on the number of threads.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/version.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#ifdef DLMC_X86
#include <cpuid.h>
#endif

#include "attention.h"
#include "rows.h"

using at::Tensor;

namespace {

// Elements that one thread takes at least, and elements of a block of partial sums.
constexpr int64_t GRAIN = 8192;
constexpr int64_t BLOCK = 32768;

template <class F>
char* guard(F body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an unknown C++ exception");
  }
}

const dlmc::Table& table() {
#ifdef DLMC_X86
  static const dlmc::Table& best = [&]() -> const dlmc::Table& {
    auto has512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    auto has2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    return has512 && has2 ? dlmc::rows_avx512() : has2 ? dlmc::rows_avx2() : dlmc::rows_baseline();
  }();
  return best;
#else
  return dlmc::rows_baseline();
#endif
}

template <class T>
const dlmc::Rows<T>& rows();
template <>
const dlmc::Rows<dlmc::bf16>& rows<dlmc::bf16>() { return table().bf16_rows; }
template <>
const dlmc::Rows<float>& rows<float>() { return table().fp32_rows; }
template <>
const dlmc::Rows<double>& rows<double>() { return table().fp64_rows; }

const Tensor& tensor(const void* pointer) { return *static_cast<const Tensor*>(pointer); }
void give(void** out, Tensor value) { *out = new Tensor(std::move(value)); }

at::ScalarType wide_of(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

// Calls body with a null pointer of the element type.
template <class F>
void with_type(const Tensor& x, F body) {
  TORCH_CHECK(x.is_cpu(), "a CPU kernel got a tensor on ", x.device());
  switch (x.scalar_type()) {
    case at::kBFloat16: return body((dlmc::bf16*)nullptr);
    case at::kFloat: return body((float*)nullptr);
    case at::kDouble: return body((double*)nullptr);
    default: TORCH_CHECK(false, "no kernel for elements of type ", x.scalar_type());
  }
}

template <class T>
T* data(const Tensor& x) { return static_cast<T*>(x.data_ptr()); }

// x with rows (of the last dimension) one after the other in memory, in whatever order.
Tensor dense_rows(const Tensor& x) {
  TORCH_CHECK(x.dim() > 0 && x.size(-1) > 0, "rows of a tensor of shape ", x.sizes());
  bool rows = x.is_non_overlapping_and_dense() && (x.stride(-1) == 1 || x.size(-1) == 1);
  return rows ? x : x.contiguous();
}

// x with the elements of each row one after the other, wherever the rows are.
Tensor whole_rows(const Tensor& x) {
  TORCH_CHECK(x.dim() == 4, "heads of a tensor of shape ", x.sizes());
  return x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous();
}

// Cosines or sines [T, d / 2] for x [B, H, T, d].
Tensor checked_table(const Tensor& table, const Tensor& x) {
  TORCH_CHECK(table.sizes() == at::IntArrayRef({x.size(2), x.size(3) / 2}) &&
                  table.scalar_type() == (x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat),
              "a table of shape ", table.sizes(), " for ", x.sizes());
  return table.contiguous();
}

// `of` in the memory order of `like`, which has its shape.
Tensor ordered_like(const Tensor& of, const Tensor& like) {
  TORCH_CHECK(of.sizes() == like.sizes(), "shapes ", of.sizes(), " and ", like.sizes(), " differ");
  if (of.strides() == like.strides() && of.scalar_type() == like.scalar_type()) return of;
  return at::empty_strided(like.sizes(), like.strides(), like.options()).copy_(of);
}

// One wide number for each row of x, in x's order.
Tensor statistic(const Tensor& x) {
  auto d = x.size(-1);
  std::vector<int64_t> strides;
  for (int64_t i = 0; i + 1 < x.dim(); ++i) strides.push_back(x.size(i) == 1 ? 1 : x.stride(i) / d);
  return at::empty_strided(x.sizes().slice(0, x.dim() - 1), strides, x.options().dtype(wide_of(x.scalar_type())));
}

Tensor statistic_like(const Tensor& of, const Tensor& x) {
  Tensor like = statistic(x);
  if (of.sizes() == like.sizes() && of.strides() == like.strides() && of.scalar_type() == like.scalar_type()) return of;
  return like.copy_(of);
}

Tensor checked_gain(const Tensor& gain, const Tensor& x) {
  TORCH_CHECK(gain.dim() == 1 && gain.size(0) == x.size(-1) && gain.scalar_type() == x.scalar_type(),
              "a gain of shape ", gain.sizes(), " and type ", gain.scalar_type(), " for ", x.sizes());
  return gain.contiguous();
}

Tensor checked_ids(const Tensor& ids, int64_t below) {
  TORCH_CHECK(ids.scalar_type() == at::kLong, "ids have to be int64");
  Tensor flat = ids.contiguous();
  const int64_t* p = flat.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < flat.numel(); ++i)
    TORCH_CHECK(p[i] >= 0 && p[i] < below, "id ", p[i], " is not below ", below);
  return flat;
}

// A number for each sequence, [B], as one for each of its positions: [B, T] like `ids`.
Tensor of_each_row(const Tensor& x, const Tensor& ids, at::ScalarType type) {
  TORCH_CHECK(x.dim() == 1 && ids.dim() == 2 && x.size(0) == ids.size(0), "one of ", x.sizes(), " for ", ids.sizes());
  return x.to(type).unsqueeze(1).expand(ids.sizes()).contiguous();
}

// How far apart rows of the last dimension lie, where that is the same for all; else 0.
int64_t row_step(const Tensor& x) {
  if (x.dim() == 0 || (x.stride(-1) != 1 && x.size(-1) != 1)) return 0;
  if (x.dim() == 1) return x.size(0);
  int64_t step = x.stride(-2), next = step * x.size(-2);
  for (int64_t i = x.dim() - 3; i >= 0; --i) {
    if (x.size(i) != 1 && x.stride(i) != next) return 0;
    next *= x.size(i);
  }
  return step;
}

// body(from, to) over rows.
template <class F>
void over_rows(int64_t n, int64_t d, F body) {
  at::parallel_for(0, n, std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, d)), body);
}

// Sums of [d] over rows: body(from, to, sums) for each block, added up in the order of blocks.
template <class A, class F>
Tensor block_sums(int64_t n, int64_t d, at::TensorOptions options, F body) {
  int64_t block = std::max<int64_t>(1, BLOCK / d), n_blocks = (n + block - 1) / block;
  Tensor partial = at::zeros({n_blocks, d}, options);
  A* sums = data<A>(partial);
  at::parallel_for(0, n_blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) body(b * block, std::min(n, (b + 1) * block), sums + b * d);
  });
  return partial.sum(0);
}

// Whether the machine has what attention.cpp is compiled for, and whether it multiplies bf16 in tiles (AMX).
struct Bf16Units {
  bool vectors = false, tiles = false;
};

Bf16Units find_bf16_units() {
  Bf16Units units;
#ifdef DLMC_X86
  unsigned a, b, c, d;
  bool v4 = &table() == &dlmc::rows_avx512();
  // Leaf 7 of cpuid: AVX512_BF16 is bit 5 of the second part's first register, AMX-BF16 bit 22 of the fourth.
  units.vectors = v4 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
  units.tiles = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
#endif
  return units;
}

const Bf16Units& bf16_units() {
  static const Bf16Units units = find_bf16_units();  // a virtual machine takes long to answer
  return units;
}

void check_heads(const Tensor& x, at::IntArrayRef sizes) {
  TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.sizes() == sizes, "attention got ", x.sizes(), " of ",
              x.scalar_type(), " for ", sizes);
}

// x with rows that are contiguous in themselves, wherever they lie.
Tensor whole_rows(const Tensor& x) { return x.stride(-1) == 1 || x.size(-1) == 1 ? x : x.contiguous(); }

dlmc::Heads heads(const Tensor& x) { return {data<dlmc::bf16>(x), x.stride(0), x.stride(1), x.stride(2)}; }

// [B, H, T, d] whose heads lie side by side in memory.
Tensor new_heads(at::IntArrayRef sizes, const Tensor& like) {
  return at::empty({sizes[0], sizes[2], sizes[1], sizes[3]}, like.options()).transpose(1, 2);
}

dlmc::Attention checked_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& runs) {
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4, "attention of ", q.sizes(), " and ", k.sizes());
  int64_t b = q.size(0), h = q.size(1), n_q = q.size(2), d = q.size(3), shared = k.size(1), n_k = k.size(2);
  check_heads(q, {b, h, n_q, d});
  check_heads(k, {b, shared, n_k, d});
  check_heads(v, {b, shared, n_k, d});
  TORCH_CHECK(shared > 0 && h % shared == 0 && d > 0 && d <= 256, "attention of ", q.sizes(), " and ", k.sizes());
  TORCH_CHECK(runs.is_contiguous() && runs.scalar_type() == at::kInt && runs.dim() == 3 && runs.size(0) == n_q &&
                  runs.size(2) == 2 && n_k <= INT32_MAX,
              "runs of ", runs.sizes(), " for ", n_q, " queries");
  const int32_t* ends = runs.const_data_ptr<int32_t>();
  for (int64_t i = 0; i < runs.numel(); ++i) TORCH_CHECK(ends[i] >= 0 && ends[i] <= n_k, "a run ends at ", ends[i]);
  TORCH_CHECK(bf16_units().vectors, "this machine has no AVX512-BF16");
  return {b, h, shared, n_q, n_k, d, ends, runs.size(1)};
}

// body(from, to, scratch) over tasks.
template <class F>
void over_tasks(int64_t n_tasks, int64_t bytes, F body) {
  at::parallel_for(0, n_tasks, 1, [&](int64_t from, int64_t to) {
    std::unique_ptr<void, decltype(&free)> scratch(std::aligned_alloc(64, static_cast<size_t>(bytes)), free);
    TORCH_CHECK(scratch, "no memory for attention");
    body(from, to, static_cast<char*>(scratch.get()));
  });
}

}  // namespace

extern "C" {

// Whether our attention runs here, and whether libtorch's has units that ours knows nothing of.
void dlmc_bf16_units(bool* vectors, bool* tiles) {
  const Bf16Units& units = bf16_units();
  *vectors = units.vectors;
  *tiles = units.tiles;
}

// q [B, H, T, d], k and v [B, Hkv, Tk, d] in bf16, runs [T, n, 2]: keys that each query sees.
char* dlmc_attention(const void* q_, const void* k_, const void* v_, const void* runs_, void** out_, void** lse_) {
  return guard([&] {
    Tensor q = whole_rows(tensor(q_)), k = whole_rows(tensor(k_)), v = whole_rows(tensor(v_));
    auto of = checked_attention(q, k, v, tensor(runs_));
    Tensor out = new_heads(q.sizes(), q), lse = at::empty(q.sizes().slice(0, 3), q.options().dtype(at::kFloat));
#ifdef DLMC_X86
    over_tasks(dlmc::attention_tasks(of), dlmc::attention_scratch(of), [&](int64_t from, int64_t to, char* scratch) {
      dlmc::attention(of, heads(q), heads(k), heads(v), heads(out), data<float>(lse), from, to, scratch);
    });
#endif
    give(out_, out);
    give(lse_, lse);
  });
}

// Writes to dq, dk and dv, which may be parts of one tensor that holds them side by side.
char* dlmc_attention_grad(const void* dout_, const void* q_, const void* k_, const void* v_, const void* out_,
                          const void* lse_, const void* runs_, void* dq_, void* dk_, void* dv_) {
  return guard([&] {
    Tensor q = whole_rows(tensor(q_)), k = whole_rows(tensor(k_)), v = whole_rows(tensor(v_));
    Tensor dout = whole_rows(tensor(dout_)), out = whole_rows(tensor(out_)), lse = tensor(lse_).contiguous();
    auto of = checked_attention(q, k, v, tensor(runs_));
    check_heads(dout, q.sizes());
    check_heads(out, q.sizes());
    TORCH_CHECK(lse.sizes() == q.sizes().slice(0, 3) && lse.scalar_type() == at::kFloat, "log-sum-exps of ", lse.sizes());
    Tensor dq = tensor(dq_), dk = tensor(dk_), dv = tensor(dv_);
    check_heads(dq, q.sizes());
    check_heads(dk, k.sizes());
    check_heads(dv, v.sizes());
    for (const Tensor& x : {dq, dk, dv})
      TORCH_CHECK(x.stride(-1) == 1 || x.size(-1) == 1, "gradients of attention go to whole rows, not ", x.strides());
#ifdef DLMC_X86
    over_tasks(dlmc::attention_grad_tasks(of), dlmc::attention_grad_scratch(of),
               [&](int64_t from, int64_t to, char* scratch) {
                 dlmc::attention_grad(of, heads(dout), heads(q), heads(k), heads(v), heads(out), data<float>(lse),
                                      heads(dq), heads(dk), heads(dv), from, to, scratch);
               });
#endif
  });
}

void dlmc_free(char* message) { free(message); }

// A step frees what the next one allocates again. Left to itself, glibc hands large blocks back to the
// system each time, and the page faults cost more than many operations.
void dlmc_keep_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);  // a threshold would be refused above 32 MiB
  mallopt(M_TRIM_THRESHOLD, 2000000000);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

const char* dlmc_torch_version() { return TORCH_VERSION; }

// The most bytes that libtorch's allocator of this GPU has held in tensors.
char* dlmc_cuda_peak_bytes(int device, int64_t* out) {
  return guard([&] {
    auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(c10::DeviceType::CUDA));
    TORCH_CHECK(allocator, "libtorch has no allocator for GPUs");
    auto stats = allocator->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    *out = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

char* dlmc_flash(const void* q, const void* k, const void* v, bool causal, void** out, void** lse) {
  return guard([&] {
    auto all = at::_scaled_dot_product_flash_attention(tensor(q), tensor(k), tensor(v), 0.0, causal, false);
    give(out, std::get<0>(all));
    give(lse, std::get<1>(all));
  });
}

char* dlmc_flash_grad(const void* dout, const void* q, const void* k, const void* v, const void* out, const void* lse,
                      bool causal, void** dq, void** dk, void** dv) {
  return guard([&] {
    // Without dropout the state of the random numbers is not read, but has to be there.
    Tensor state = at::zeros({2}, tensor(q).options().dtype(at::kUInt64));
    auto all = at::_scaled_dot_product_flash_attention_backward(
        tensor(dout), tensor(q), tensor(k), tensor(v), tensor(out), tensor(lse), Tensor(), Tensor(),
        tensor(q).size(2), tensor(k).size(2), 0.0, causal, state, Tensor());
    give(dq, std::get<0>(all));
    give(dk, std::get<1>(all));
    give(dv, std::get<2>(all));
  });
}

char* dlmc_rms_norm(const void* x_, const void* gain_, double eps, void** y_, void** rstd_) {
  return guard([&] {
    Tensor x = dense_rows(tensor(x_)), gain = checked_gain(tensor(gain_), x);
    Tensor y = at::empty_strided(x.sizes(), x.strides(), x.options()), rstd = statistic(x);
    int64_t d = x.size(-1);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(x.numel() / d, d, [&](int64_t from, int64_t to) {
        rows<T>().rms_norm(data<T>(x) + from * d, data<T>(gain), data<T>(y) + from * d, data<A>(rstd) + from, to - from,
                           d, eps);
      });
    });
    give(y_, y);
    give(rstd_, rstd);
  });
}

char* dlmc_rms_norm_grad(const void* dy_, const void* x_, const void* gain_, const void* rstd_, void** dx_,
                         void** dgain_) {
  return guard([&] {
    Tensor x = dense_rows(tensor(x_)), gain = checked_gain(tensor(gain_), x);
    Tensor dy = ordered_like(tensor(dy_), x), rstd = statistic_like(tensor(rstd_), x);
    Tensor dx = at::empty_strided(x.sizes(), x.strides(), x.options());
    int64_t d = x.size(-1);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      give(dgain_, block_sums<A>(x.numel() / d, d, rstd.options(), [&](int64_t from, int64_t to, A* sums) {
        rows<T>().rms_norm_grad(data<T>(dy) + from * d, data<T>(x) + from * d, data<T>(gain), data<A>(rstd) + from,
                                data<T>(dx) + from * d, sums, to - from, d);
      }));
    });
    give(dx_, dx);
  });
}

char* dlmc_layer_norm(const void* x_, const void* gain_, double eps, void** y_, void** mean_, void** rstd_) {
  return guard([&] {
    Tensor x = dense_rows(tensor(x_)), gain = checked_gain(tensor(gain_), x);
    Tensor y = at::empty_strided(x.sizes(), x.strides(), x.options()), mean = statistic(x), rstd = statistic(x);
    int64_t d = x.size(-1);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(x.numel() / d, d, [&](int64_t from, int64_t to) {
        rows<T>().layer_norm(data<T>(x) + from * d, data<T>(gain), data<T>(y) + from * d, data<A>(mean) + from,
                             data<A>(rstd) + from, to - from, d, eps);
      });
    });
    give(y_, y);
    give(mean_, mean);
    give(rstd_, rstd);
  });
}

char* dlmc_layer_norm_grad(const void* dy_, const void* x_, const void* gain_, const void* mean_, const void* rstd_,
                           void** dx_, void** dgain_) {
  return guard([&] {
    Tensor x = dense_rows(tensor(x_)), gain = checked_gain(tensor(gain_), x);
    Tensor dy = ordered_like(tensor(dy_), x);
    Tensor mean = statistic_like(tensor(mean_), x), rstd = statistic_like(tensor(rstd_), x);
    Tensor dx = at::empty_strided(x.sizes(), x.strides(), x.options());
    int64_t d = x.size(-1);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      give(dgain_, block_sums<A>(x.numel() / d, d, rstd.options(), [&](int64_t from, int64_t to, A* sums) {
        rows<T>().layer_norm_grad(data<T>(dy) + from * d, data<T>(x) + from * d, data<T>(gain), data<A>(mean) + from,
                                  data<A>(rstd) + from, data<T>(dx) + from * d, sums, to - from, d);
      }));
    });
    give(dx_, dx);
  });
}

// x [B, H, T, d]; cos and sin [T, d / 2], wide.
char* dlmc_rope(const void* x_, const void* cos_, const void* sin_, bool inverse, void** y_) {
  return guard([&] {
    Tensor x = dense_rows(tensor(x_)), cos = tensor(cos_).contiguous(), sin = tensor(sin_).contiguous();
    TORCH_CHECK(x.dim() == 4 && cos.sizes() == at::IntArrayRef({x.size(2), x.size(3) / 2}) && sin.sizes() == cos.sizes() &&
                    cos.scalar_type() == wide_of(x.scalar_type()) && sin.scalar_type() == cos.scalar_type(),
                "tables of shape ", cos.sizes(), " for ", x.sizes());
    Tensor y = at::empty_strided(x.sizes(), x.strides(), x.options());
    int64_t h = x.size(1), t = x.size(2), d = x.size(3);
    int64_t step_b = x.stride(0), step_h = x.stride(1), step_t = x.stride(2);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(x.size(0) * t, h * d, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
          int64_t at = i / t * step_b + i % t * step_t, table = i % t * (d / 2);
          rows<T>().rope(data<T>(x) + at, step_h, data<T>(y) + at, step_h, data<A>(cos) + table, data<A>(sin) + table,
                         inverse ? A(-1) : A(1), h, d);
        }
      });
    });
    give(y_, y);
  });
}

// x [B, H, T, d] in any layout with whole rows; y lies as [B, T, H, d], so that merging its heads copies nothing.
char* dlmc_norm_rope(const void* x_, const void* gain_, const void* cos_, const void* sin_, double eps, void** y_,
                     void** rstd_) {
  return guard([&] {
    Tensor x = whole_rows(tensor(x_)), gain = checked_gain(tensor(gain_), x);
    Tensor cos = checked_table(tensor(cos_), x), sin = checked_table(tensor(sin_), x);
    int64_t b = x.size(0), h = x.size(1), t = x.size(2), d = x.size(3);
    Tensor y = at::empty({b, t, h, d}, x.options());
    Tensor rstd = at::empty({b, t, h}, x.options().dtype(wide_of(x.scalar_type())));
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(b * t, h * d, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
          int64_t at = i / t * x.stride(0) + i % t * x.stride(2), table = i % t * (d / 2);
          rows<T>().norm_rope(data<T>(x) + at, x.stride(1), data<T>(gain), data<A>(cos) + table, data<A>(sin) + table,
                              data<T>(y) + i * h * d, d, data<A>(rstd) + i * h, h, d, eps);
        }
      });
    });
    give(y_, y.transpose(1, 2));
    give(rstd_, rstd.transpose(1, 2));
  });
}

// `into` [B, H, T, d], if it is not null, takes dx.
char* dlmc_norm_rope_grad(const void* dy_, const void* x_, const void* rstd_, const void* gain_, const void* cos_,
                          const void* sin_, const void* into_, void** dx_, void** dgain_) {
  return guard([&] {
    Tensor x = whole_rows(tensor(x_)), dy = whole_rows(tensor(dy_)), gain = checked_gain(tensor(gain_), x);
    Tensor cos = checked_table(tensor(cos_), x), sin = checked_table(tensor(sin_), x);
    Tensor rstd = tensor(rstd_).transpose(1, 2).contiguous();
    int64_t b = x.size(0), h = x.size(1), t = x.size(2), d = x.size(3);
    Tensor dx = into_ ? tensor(into_) : at::empty({b, t, h, d}, x.options()).transpose(1, 2);
    TORCH_CHECK(dy.sizes() == x.sizes() && dx.sizes() == x.sizes() && dx.stride(3) == 1 && rstd.numel() == b * t * h &&
                    rstd.scalar_type() == wide_of(x.scalar_type()) && dx.scalar_type() == x.scalar_type(),
                "norm_rope_grad of ", dy.sizes(), " for ", x.sizes());
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      // Blocks are of positions: sums over h heads each.
      int64_t n = b * t, block = std::max<int64_t>(1, BLOCK / (h * d)), n_blocks = (n + block - 1) / block;
      Tensor partial = at::zeros({n_blocks, d}, rstd.options());
      at::parallel_for(0, n_blocks, 1, [&](int64_t first, int64_t last) {
        for (int64_t i = first * block; i < std::min(n, last * block); ++i) {
          int64_t p = i % t, q = i / t, table = p * (d / 2);
          rows<T>().norm_rope_grad(data<T>(dy) + q * dy.stride(0) + p * dy.stride(2), dy.stride(1),
                                   data<T>(x) + q * x.stride(0) + p * x.stride(2), x.stride(1), data<A>(rstd) + i * h,
                                   data<T>(gain), data<A>(cos) + table, data<A>(sin) + table,
                                   data<T>(dx) + q * dx.stride(0) + p * dx.stride(2), dx.stride(1),
                                   data<A>(partial) + i / block * d, h, d);
        }
      });
      give(dgain_, partial.sum(0));
    });
    give(dx_, dx);
  });
}

char* dlmc_silu(const void* x_, void** y_) {
  return guard([&] {
    Tensor x = tensor(x_).contiguous(), y = at::empty_like(x);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      over_rows(x.numel(), 1, [&](int64_t from, int64_t to) {
        rows<T>().silu(data<T>(x) + from, data<T>(y) + from, to - from);
      });
    });
    give(y_, y);
  });
}

char* dlmc_silu_grad(const void* dy_, const void* x_, void** dx_) {
  return guard([&] {
    Tensor x = tensor(x_).contiguous(), dy = ordered_like(tensor(dy_), x), dx = at::empty_like(x);
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      over_rows(x.numel(), 1, [&](int64_t from, int64_t to) {
        rows<T>().silu_grad(data<T>(dy) + from, data<T>(x) + from, data<T>(dx) + from, to - from);
      });
    });
    give(dx_, dx);
  });
}

// Gate and up may be halves of one tensor; so are their gradients, in one that follows them row by row.
char* dlmc_swiglu(const void* gate_, const void* up_, void** y_) {
  return guard([&] {
    Tensor gate = tensor(gate_), up = tensor(up_);
    TORCH_CHECK(gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type(), "a gate of ", gate.sizes(), " for ",
                up.sizes());
    if (row_step(gate) == 0 || row_step(gate) != row_step(up)) gate = gate.contiguous(), up = up.contiguous();
    Tensor y = at::empty(gate.sizes(), gate.options());
    int64_t d = gate.size(-1), step = row_step(gate);
    with_type(gate, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      over_rows(gate.numel() / d, d, [&](int64_t from, int64_t to) {
        rows<T>().swiglu(data<T>(gate) + from * step, data<T>(up) + from * step, data<T>(y) + from * d, to - from, d,
                         step);
      });
    });
    give(y_, y);
  });
}

char* dlmc_swiglu_grad(const void* dy_, const void* gate_, const void* up_, void** dgate_, void** dup_) {
  return guard([&] {
    Tensor gate = tensor(gate_), up = tensor(up_), dy = tensor(dy_).contiguous();
    TORCH_CHECK(gate.sizes() == up.sizes() && gate.sizes() == dy.sizes() && gate.scalar_type() == up.scalar_type() &&
                    gate.scalar_type() == dy.scalar_type(),
                "a gate of ", gate.sizes(), " for ", up.sizes(), " and ", dy.sizes());
    if (row_step(gate) == 0 || row_step(gate) != row_step(up)) gate = gate.contiguous(), up = up.contiguous();
    int64_t d = gate.size(-1), step = row_step(gate);
    auto shape = gate.sizes().vec();
    shape.back() = 2 * d;
    Tensor both = at::empty(shape, gate.options());
    with_type(gate, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      over_rows(gate.numel() / d, d, [&](int64_t from, int64_t to) {
        rows<T>().swiglu_grad(data<T>(dy) + from * d, data<T>(gate) + from * step, data<T>(up) + from * step,
                              data<T>(both) + from * 2 * d, data<T>(both) + from * 2 * d + d, to - from, d, step, 2 * d);
      });
    });
    give(dgate_, both.narrow(-1, 0, d));
    give(dup_, both.narrow(-1, d, d));
  });
}

char* dlmc_nll(const void* logits_, const void* targets_, int64_t live, void** nll_, void** lse_) {
  return guard([&] {
    Tensor logits = tensor(logits_).contiguous();
    int64_t d = logits.size(-1), n = logits.numel() / d;
    TORCH_CHECK(live > 0 && live <= d && tensor(targets_).numel() == n, "nll of ", logits.sizes(), " with ", live, " ids");
    Tensor targets = checked_ids(tensor(targets_), d);
    Tensor nll = at::empty(targets.sizes(), logits.options().dtype(wide_of(logits.scalar_type())));
    Tensor lse = at::empty_like(nll);
    with_type(logits, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(n, d, [&](int64_t from, int64_t to) {
        rows<T>().nll(data<T>(logits) + from * d, data<int64_t>(targets) + from, data<A>(nll) + from,
                      data<A>(lse) + from, to - from, d, live);
      });
    });
    give(nll_, nll);
    give(lse_, lse);
  });
}

char* dlmc_nll_grad(const void* dnll_, const void* logits_, const void* targets_, const void* lse_, int64_t live,
                    void** dlogits_) {
  return guard([&] {
    Tensor logits = tensor(logits_).contiguous();
    int64_t d = logits.size(-1), n = logits.numel() / d;
    auto type = wide_of(logits.scalar_type());
    Tensor dnll = tensor(dnll_).to(type).contiguous(), lse = tensor(lse_).to(type).contiguous();
    TORCH_CHECK(live > 0 && live <= d && dnll.numel() == n && lse.numel() == n && tensor(targets_).numel() == n,
                "nll_grad of ", dnll.sizes(), " for ", logits.sizes());
    Tensor targets = checked_ids(tensor(targets_), d), dlogits = at::empty_like(logits);
    with_type(logits, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(n, d, [&](int64_t from, int64_t to) {
        rows<T>().nll_grad(data<A>(dnll) + from, data<T>(logits) + from * d, data<int64_t>(targets) + from,
                           data<A>(lse) + from, data<T>(dlogits) + from * d, to - from, d, live);
      });
    });
    give(dlogits_, dlogits);
  });
}

// Overwrites the logits [n, d] with their gradient.
char* dlmc_nll_step(const void* weights_, void* logits_, const void* targets_, int64_t live, void** nll_, void** lse_) {
  return guard([&] {
    Tensor logits = tensor(logits_);
    TORCH_CHECK(logits.dim() == 2 && logits.is_contiguous(), "nll_step of logits that are not rows");
    int64_t d = logits.size(1), n = logits.size(0);
    auto type = wide_of(logits.scalar_type());
    Tensor weights = tensor(weights_).to(type).contiguous();
    TORCH_CHECK(live > 0 && live <= d && weights.numel() == n && tensor(targets_).numel() == n, "nll_step of ",
                weights.sizes(), " for ", logits.sizes());
    Tensor targets = checked_ids(tensor(targets_), d), nll = at::empty({n}, logits.options().dtype(type));
    Tensor lse = at::empty_like(nll);
    with_type(logits, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(n, d, [&](int64_t from, int64_t to) {
        rows<T>().nll_step(data<A>(weights) + from, data<T>(logits) + from * d, data<int64_t>(targets) + from,
                           data<A>(nll) + from, data<A>(lse) + from, to - from, d, live);
      });
    });
    give(nll_, nll);
    give(lse_, lse);
  });
}

char* dlmc_mixture(const void* logits_, const void* targets_, const void* tokens_, const void* alpha_,
                   const void* uniform_, int64_t live, void** loss_, void** lse_) {
  return guard([&] {
    Tensor logits = tensor(logits_).contiguous();
    int64_t d = logits.size(-1), n = logits.numel() / d;
    TORCH_CHECK(live > 0 && live <= d && tensor(targets_).numel() == n && tensor(tokens_).numel() == n, "mixture of ",
                logits.sizes(), " with ", live, " ids");
    Tensor targets = checked_ids(tensor(targets_), live), tokens = checked_ids(tensor(tokens_), INT64_MAX);
    auto type = wide_of(logits.scalar_type());
    Tensor alpha = of_each_row(tensor(alpha_), targets, type), uniform = of_each_row(tensor(uniform_), targets, type);
    Tensor loss = at::empty(targets.sizes(), logits.options().dtype(type)), lse = at::empty_like(loss);
    with_type(logits, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(n, d, [&](int64_t from, int64_t to) {
        rows<T>().mixture(data<T>(logits) + from * d, data<int64_t>(targets) + from, data<int64_t>(tokens) + from,
                          data<A>(alpha) + from, data<A>(uniform) + from, data<A>(loss) + from, data<A>(lse) + from,
                          to - from, d, live);
      });
    });
    give(loss_, loss);
    give(lse_, lse);
  });
}

char* dlmc_mixture_grad(const void* dloss_, const void* logits_, const void* targets_, const void* tokens_,
                        const void* alpha_, const void* uniform_, const void* lse_, int64_t live, void** dlogits_) {
  return guard([&] {
    Tensor logits = tensor(logits_).contiguous();
    int64_t d = logits.size(-1), n = logits.numel() / d;
    auto type = wide_of(logits.scalar_type());
    Tensor dloss = tensor(dloss_).to(type).contiguous(), lse = tensor(lse_).to(type).contiguous();
    TORCH_CHECK(live > 0 && live <= d && dloss.numel() == n && lse.numel() == n && tensor(targets_).numel() == n &&
                    tensor(tokens_).numel() == n,
                "mixture_grad of ", dloss.sizes(), " for ", logits.sizes());
    Tensor targets = checked_ids(tensor(targets_), live), tokens = checked_ids(tensor(tokens_), INT64_MAX);
    Tensor alpha = of_each_row(tensor(alpha_), targets, type), uniform = of_each_row(tensor(uniform_), targets, type);
    Tensor dlogits = at::empty_like(logits);
    with_type(logits, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(n, d, [&](int64_t from, int64_t to) {
        rows<T>().mixture_grad(data<A>(dloss) + from, data<T>(logits) + from * d, data<int64_t>(targets) + from,
                               data<int64_t>(tokens) + from, data<A>(alpha) + from, data<A>(uniform) + from,
                               data<A>(lse) + from, data<T>(dlogits) + from * d, to - from, d, live);
      });
    });
    give(dlogits_, dlogits);
  });
}

// Bool [n_rows, n]: which elements are dropped.
char* dlmc_dropped(const dlmc::Draw* of, int64_t n_rows, int64_t n, void** out_) {
  return guard([&] {
    TORCH_CHECK(n >= 0 && n / 4 <= UINT32_MAX, "no draws for ", n, " elements of a row");
    Tensor out = at::empty({n_rows, n}, at::kBool);
    uint8_t* to = static_cast<uint8_t*>(out.data_ptr());
    // Pieces of rows, so that few long rows keep all threads busy, too.
    int64_t pieces = std::max<int64_t>(1, (n + BLOCK - 1) / BLOCK);
    at::parallel_for(0, n_rows * pieces, std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, n)), [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        dlmc::Draw draw = *of;
        draw.row += uint32_t(i / pieces);
        table().dropped(draw, to + i / pieces * n, i % pieces * BLOCK, std::min(n, (i % pieces + 1) * BLOCK));
      }
    });
    give(out_, out);
  });
}

// Threads share the columns, not the rows: every sum has one order.
char* dlmc_embed_grad(const void* dy_, const void* index_, int64_t n_rows, void** out_) {
  return guard([&] {
    Tensor dy = tensor(dy_).contiguous(), index = checked_ids(tensor(index_), n_rows);
    int64_t d = dy.size(-1), n = index.numel();
    TORCH_CHECK(dy.numel() == n * d, "embed_grad of ", dy.sizes(), " at ", index.sizes());
    Tensor out = at::zeros({n_rows, d}, dy.options().dtype(wide_of(dy.scalar_type())));
    with_type(dy, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      at::parallel_for(0, (d + 31) / 32, std::max<int64_t>(1, GRAIN / (32 * n + 1)), [&](int64_t from, int64_t to) {
        rows<T>().embed_grad(data<T>(dy), data<int64_t>(index), data<A>(out), n, d, from * 32, std::min(d, to * 32));
      });
    });
    give(out_, out);
  });
}

// Updates the flat tensors in place, elements from..to. Adds the squares of weights and changes to sums.
char* dlmc_adamw(void* p_, const void* g_, void* m_, void* v_, int64_t from, int64_t to, const dlmc::AdamWStep* step,
                 double* sums) {
  return guard([&] {
    const Tensor &p = tensor(p_), &g = tensor(g_), &m = tensor(m_), &v = tensor(v_);
    for (const Tensor* x : {&p, &g, &m, &v})
      TORCH_CHECK(x->is_contiguous() && x->is_cpu() && x->numel() == p.numel() && x->scalar_type() == p.scalar_type(),
                  "flat tensors differ");
    TORCH_CHECK(0 <= from && from <= to && to <= p.numel(), "elements ", from, " to ", to, " of ", p.numel());
    int64_t n_blocks = (to - from + BLOCK - 1) / BLOCK;
    std::vector<double> partial(2 * n_blocks, 0.0);
    auto run = [&](auto* null, const auto& flat) {
      using T = std::remove_pointer_t<decltype(null)>;
      at::parallel_for(0, n_blocks, 1, [&](int64_t first, int64_t last) {
        for (int64_t b = first; b < last; ++b) {
          int64_t at = from + b * BLOCK, n = std::min(BLOCK, to - at);
          flat.adamw(data<T>(p) + at, data<T>(g) + at, data<T>(m) + at, data<T>(v) + at, n, *step, &partial[2 * b]);
        }
      });
    };
    if (p.scalar_type() == at::kFloat) run((float*)nullptr, table().fp32_flat);
    else if (p.scalar_type() == at::kDouble) run((double*)nullptr, table().fp64_flat);
    else TORCH_CHECK(false, "weights of type ", p.scalar_type());
    for (int64_t b = 0; b < n_blocks; ++b) {
      sums[0] += partial[2 * b];
      sums[1] += partial[2 * b + 1];
    }
  });
}

char* dlmc_square_sum(const void* x_, double* out) {
  return guard([&] {
    const Tensor& x = tensor(x_);
    TORCH_CHECK(x.is_contiguous() && x.is_cpu(), "square_sum of a strided tensor");
    int64_t n_blocks = (x.numel() + BLOCK - 1) / BLOCK;
    std::vector<double> partial(n_blocks, 0.0);
    at::parallel_for(0, n_blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b) {
        int64_t n = std::min(BLOCK, x.numel() - b * BLOCK);
        if (x.scalar_type() == at::kFloat) partial[b] = table().fp32_flat.square_sum(data<float>(x) + b * BLOCK, n);
        else if (x.scalar_type() == at::kDouble) partial[b] = table().fp64_flat.square_sum(data<double>(x) + b * BLOCK, n);
        else TORCH_CHECK(false, "weights of type ", x.scalar_type());
      }
    });
    *out = 0;
    for (double part : partial) *out += part;
  });
}

}  // extern "C"
