// Losses from logits, and their gradients.
#include "door.h"

extern "C" {

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

}  // extern "C"
