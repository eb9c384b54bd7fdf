// What tch does not reach, and CPU kernels over whole tensors.
#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/version.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "door.h"

extern "C" {

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
// Adds x to a sum of wide elements without a wide copy of it.
char* dlmc_add_wide(void* sum_, const void* x_) {
  return guard([&] {
    Tensor sum = tensor(sum_), x = tensor(x_).contiguous();
    TORCH_CHECK(sum.is_contiguous() && sum.sizes() == x.sizes() && sum.scalar_type() == wide_of(x.scalar_type()),
                "a sum of ", sum.sizes(), " and ", x.sizes());
    with_type(x, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      using A = dlmc::wide<T>;
      over_rows(x.numel(), 1, [&](int64_t from, int64_t to) {
        rows<T>().add_wide(data<T>(x) + from, data<A>(sum) + from, to - from);
      });
    });
  });
}

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

// hyper: rate, beta 1, beta 2, decay, epsilon.
char* dlmc_fused_adamw(const void* p, const void* g, const void* m, const void* v, const void* step,
                       const double* hyper, const void* broken) {
  return guard([&] {
    at::_fused_adamw_({tensor(p)}, {tensor(g)}, {tensor(m)}, {tensor(v)}, {}, {tensor(step)}, hyper[0], hyper[1],
                      hyper[2], hyper[3], hyper[4], false, false, std::nullopt, tensor(broken));
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
