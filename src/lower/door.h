// What every file of kernels has in common: calls in and out, types, rows, blocks. Every kernel gives null, or a message
// that the caller frees with dlmc_free; nothing is thrown across. Tensors come and go as `at::Tensor*`; results are
// new and belong to the caller. Work is cut into blocks whose size depends on the tensor alone, so results do not
// depend on the number of threads.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdlib>
#include <cstring>
#include <vector>

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

}  // namespace
