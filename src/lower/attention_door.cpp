// Attention: our kernel for machines with AVX512-BF16, and flash attention on GPUs.
#include <memory>

#ifdef DLMC_X86
#include <cpuid.h>
#endif

#include "attention.h"
#include "door.h"

namespace {

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

}  // extern "C"
