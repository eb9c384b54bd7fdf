// The table of row kernels: plain loops over contiguous rows, which know nothing of libtorch. They are
// compiled once for each instruction set (rows.cpp) and picked at run time (kernels.cpp).
#pragma once
#include <cstdint>

namespace dlmc {

struct bf16 {
  uint16_t bits;
};

// What sums and statistics are held in: fp32 for bf16 and fp32, f64 for f64.
template <class T>
struct Wide {
  using type = float;
};
template <>
struct Wide<double> {
  using type = double;
};
template <class T>
using wide = typename Wide<T>::type;

// n rows of d elements each, unless said otherwise. Formulas: src/graph/ops, file of the same name.
template <class T>
struct Rows {
  using A = wide<T>;
  void (*rms_norm)(const T* x, const T* gain, T* y, A* rstd, int64_t n, int64_t d, double eps);
  // Adds to dgain [d].
  void (*rms_norm_grad)(const T* dy, const T* x, const T* gain, const A* rstd, T* dx, A* dgain, int64_t n, int64_t d);
  void (*layer_norm)(const T* x, const T* gain, T* y, A* mean, A* rstd, int64_t n, int64_t d, double eps);
  // Adds to dgain [d].
  void (*layer_norm_grad)(const T* dy, const T* x, const T* gain, const A* mean, const A* rstd, T* dx, A* dgain,
                          int64_t n, int64_t d);
  // Turns n rows of one position, which lie `x_step` and `y_step` elements apart; cos and sin have d / 2 elements.
  void (*rope)(const T* x, int64_t x_step, T* y, int64_t y_step, const A* cos, const A* sin, A sign, int64_t n,
               int64_t d);
  // Both at once, on the heads of one position. The gradient adds to dgain [d].
  void (*norm_rope)(const T* x, int64_t x_step, const T* gain, const A* cos, const A* sin, T* y, int64_t y_step, A* rstd,
                    int64_t n, int64_t d, double eps);
  void (*norm_rope_grad)(const T* dy, int64_t dy_step, const T* x, int64_t x_step, const A* rstd, const T* gain,
                         const A* cos, const A* sin, T* dx, int64_t dx_step, A* dgain, int64_t n, int64_t d);
  // n elements.
  void (*silu)(const T* x, T* y, int64_t n);
  void (*silu_grad)(const T* dy, const T* x, T* dx, int64_t n);
  // Rows of gate and up lie `step` elements apart, those of their gradients `grad_step`; the others follow each other.
  void (*swiglu)(const T* gate, const T* up, T* y, int64_t n, int64_t d, int64_t step);
  void (*swiglu_grad)(const T* dy, const T* gate, const T* up, T* dgate, T* dup, int64_t n, int64_t d, int64_t step,
                      int64_t grad_step);
  // Targets are below d; ids from `live` on have no probability.
  void (*nll)(const T* logits, const int64_t* targets, A* nll, A* lse, int64_t n, int64_t d, int64_t live);
  void (*nll_grad)(const A* dnll, const T* logits, const int64_t* targets, const A* lse, T* dlogits, int64_t n,
                   int64_t d, int64_t live);
  // Both: the logits' gradient, weighed, takes their place.
  void (*nll_step)(const A* weights, T* logits, const int64_t* targets, A* nll, A* lse, int64_t n, int64_t d,
                   int64_t live);
  // As nll, for src/graph/ops/mixture.rs; alpha and uniform of each row. Tokens may be `live` or above.
  void (*mixture)(const T* logits, const int64_t* targets, const int64_t* tokens, const A* alpha, const A* uniform,
                  A* loss, A* lse, int64_t n, int64_t d, int64_t live);
  void (*mixture_grad)(const A* dloss, const T* logits, const int64_t* targets, const int64_t* tokens, const A* alpha,
                       const A* uniform, const A* lse, T* dlogits, int64_t n, int64_t d, int64_t live);
  // Adds columns from..to of the n rows of dy to the rows `index` of out.
  void (*embed_grad)(const T* dy, const int64_t* index, A* out, int64_t n, int64_t d, int64_t from, int64_t to);
  // Adds n elements of x to sum.
  void (*add_wide)(const T* x, A* sum, int64_t n);
};

// Constants of one AdamW step.
struct AdamWStep {
  double gradient_factor, decay_factor, beta1, beta2, eps, step_size, root_correction2;
};

template <class T>
struct FlatRows {
  // Updates n elements; adds the squares of the weights and of their change to sums[0] and sums[1].
  void (*adamw)(T* p, const T* g, T* m, T* v, int64_t n, const AdamWStep& step, double* sums);
  double (*square_sum)(const T* x, int64_t n);
};

// Words of Philox4x32-10 at (step, row, block, site), under the key (seed, purpose): element i of 256 has word
// i / 64 of block i % 64 of its 64. Writes 1 for each element from..to whose word is below the threshold, else
// 0; `from` is a multiple of 256.
struct Draw {
  uint32_t seed, purpose, step, row, site, threshold;
};
using Dropped = void (*)(const Draw& draw, uint8_t* out, int64_t from, int64_t to);

struct Table {
  Rows<bf16> bf16_rows;
  Rows<float> fp32_rows;
  Rows<double> fp64_rows;
  FlatRows<float> fp32_flat;
  FlatRows<double> fp64_flat;
  Dropped dropped;
};

const Table& rows_baseline();
const Table& rows_avx2();
const Table& rows_avx512();

}  // namespace dlmc
