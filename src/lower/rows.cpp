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

// log(1 + y) for y >= 0.
static inline double log1p_positive(double y) { return __builtin_log1p(y); }
// Within a few ulp below 2^127. The polynomial is Cephes' logf; what rounding took from 1 + y is given back by
// the quotient (W. Kahan's way to log1p).
static inline float log1p_positive(float y) {
  float w = 1.0f + y, rounded = w - 1.0f;
  int32_t bits = __builtin_bit_cast(int32_t, w);
  int32_t exponent = (bits - 0x3f3504f3) >> 23;  // from sqrt(1/2)
  float f = __builtin_bit_cast(float, bits - int32_t(uint32_t(exponent) << 23)) - 1.0f, e = float(exponent);
  float square = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float log = f + (p * f * square - e * 2.12194440e-4f - 0.5f * square) + e * 0.693359375f;
  float exact = rounded == 0.0f ? 1.0f : rounded;
  float scaled = log * (y / exact);
  return rounded == 0.0f ? y : w < 16777216.0f ? scaled : log;
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

// Heads of one position, `x_step` and `y_step` elements apart.
template <class T>
static void norm_rope(const T* __restrict x, int64_t x_step, const T* __restrict gain, const wide<T>* __restrict cos, const wide<T>* __restrict sin, T* __restrict y, int64_t y_step,
                      wide<T>* __restrict rstd, int64_t n, int64_t d, double eps) {
  using A = wide<T>;
  const int64_t half = d / 2;
  for (int64_t i = 0; i < n; ++i, x += x_step, y += y_step) {
    A squares = sum<A>(d, [=](int64_t j) { return load(x[j]) * load(x[j]); });
    A r = A(1) / root(squares / A(d) + A(eps));
    rstd[i] = r;
    for (int64_t j = 0; j < half; ++j) {
      A a = load(x[j]) * r * load(gain[j]), b = load(x[half + j]) * r * load(gain[half + j]);
      store(&y[j], a * cos[j] - b * sin[j]);
      store(&y[half + j], b * cos[j] + a * sin[j]);
    }
  }
}

template <class T>
static void norm_rope_grad(const T* __restrict dy, int64_t dy_step, const T* __restrict x, int64_t x_step, const wide<T>* __restrict rstd, const T* __restrict gain,
                           const wide<T>* __restrict cos, const wide<T>* __restrict sin, T* __restrict dx, int64_t dx_step, wide<T>* __restrict dgain, int64_t n, int64_t d) {
  using A = wide<T>;
  const int64_t half = d / 2;
  // The two halves of a product with the gain, summed side by side.
  for (int64_t i = 0; i < n; ++i, dy += dy_step, x += x_step, dx += dx_step) {
    A r = rstd[i];
    A dot = sum<A>(half, [=](int64_t j) {
      A a = load(dy[j]), b = load(dy[half + j]);
      return (a * cos[j] + b * sin[j]) * load(gain[j]) * load(x[j]) + (b * cos[j] - a * sin[j]) * load(gain[half + j]) * load(x[half + j]);
    });
    A share = r * r * dot / A(d);
    for (int64_t j = 0; j < half; ++j) {
      A a = load(dy[j]), b = load(dy[half + j]), u = load(x[j]), v = load(x[half + j]);
      A da = a * cos[j] + b * sin[j], db = b * cos[j] - a * sin[j];
      dgain[j] += da * u * r;
      dgain[half + j] += db * v * r;
      store(&dx[j], r * (da * load(gain[j]) - u * share));
      store(&dx[half + j], r * (db * load(gain[half + j]) - v * share));
    }
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
static void swiglu(const T* __restrict gate, const T* __restrict up, T* __restrict y, int64_t n, int64_t d, int64_t step) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, gate += step, up += step, y += d)
    for (int64_t j = 0; j < d; ++j) {
      A v = load(gate[j]), s = A(1) / (A(1) + exponential(-v));
      store(&y[j], v * s * load(up[j]));
    }
}

template <class T>
static void swiglu_grad(const T* __restrict dy, const T* __restrict gate, const T* __restrict up, T* __restrict dgate, T* __restrict dup, int64_t n, int64_t d,
                        int64_t step, int64_t grad_step) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, dy += d, gate += step, up += step, dgate += grad_step, dup += grad_step)
    for (int64_t j = 0; j < d; ++j) {
      A g = load(dy[j]), v = load(gate[j]), s = A(1) / (A(1) + exponential(-v));
      store(&dgate[j], g * load(up[j]) * s * (A(1) + v * (A(1) - s)));
      store(&dup[j], g * v * s);
    }
}

template <class T>
static inline wide<T> log_sum_exp(const T* __restrict logits, int64_t live) {
  using A = wide<T>;
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
  return max + logarithm(total);
}

template <class T>
static void nll(const T* __restrict logits, const int64_t* __restrict targets, wide<T>* __restrict nll, wide<T>* __restrict lse, int64_t n, int64_t d, int64_t live) {
  for (int64_t i = 0; i < n; ++i, logits += d) {
    lse[i] = log_sum_exp(logits, live);
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
static void nll_step(const wide<T>* __restrict weights, T* logits, const int64_t* __restrict targets, wide<T>* __restrict nll, wide<T>* __restrict lse, int64_t n,
                     int64_t d, int64_t live) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, logits += d) {
    A g = weights[i], l = log_sum_exp(logits, live);
    int64_t target = targets[i];
    A mine = load(logits[target]);
    lse[i] = l;
    nll[i] = l - mine;
    if (g == A(0)) {
      for (int64_t j = 0; j < d; ++j) store(&logits[j], A(0));
      continue;
    }
    for (int64_t j = 0; j < live; ++j) store(&logits[j], g * exponential(load(logits[j]) - l));
    for (int64_t j = live; j < d; ++j) store(&logits[j], A(0));
    store(&logits[target], target < live ? g * exponential(mine - l) - g : -g);
  }
}

// What the loss of one position needs at x and z: log(q_x / q_theta_x), and log r (0 where z cannot be predicted).
template <class T>
struct Ratios {
  wide<T> log_x, log_r;
};

template <class T>
static inline Ratios<T> ratios(const T* __restrict logits, int64_t x, int64_t z, wide<T> a, wide<T> u, wide<T> lse, int64_t live) {
  using A = wide<T>;
  // log(alpha p_x + u) without taking the exponential of a small logarithm.
  A mine = logarithm(a) + load(logits[x]) - lse, noise = logarithm(u);
  A larger = mine > noise ? mine : noise, smaller = mine > noise ? noise : mine;
  A log_x = logarithm(a + u) - (larger + log1p_positive(u > A(0) ? exponential(smaller - larger) : A(0)));
  A log_r = A(0);
  if (z == x) log_r = log_x;
  // Where u is 0, x cannot have become z.
  else if (z < live) log_r = u > A(0) ? -log1p_positive(a / u * exponential(load(logits[z]) - lse)) : -A(__builtin_inf());
  return {log_x, log_r};
}

// exp(x) - 1, to rounding of the larger of x and 1.
template <class A>
static inline A exponential_minus_1(A x) {
  if (x < A(0.03) && x > A(-0.03))
    return x * (A(1) + x / A(2) * (A(1) + x / A(3) * (A(1) + x / A(4) * (A(1) + x / A(5) * (A(1) + x / A(6) * (A(1) + x / A(7) * (A(1) + x / A(8))))))));
  return exponential(x) - A(1);
}

template <class T>
static void mixture(const T* __restrict logits, const int64_t* __restrict targets, const int64_t* __restrict tokens, const wide<T>* __restrict alpha,
                    const wide<T>* __restrict uniform, wide<T>* __restrict loss, wide<T>* __restrict lse, int64_t n, int64_t d, int64_t live) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, logits += d) {
    A a = alpha[i], u = uniform[i], l = log_sum_exp(logits, live);
    lse[i] = l;
    loss[i] = A(0);
    if (!(a > A(0))) continue;
    int64_t x = targets[i];
    Ratios<T> at = ratios(logits, x, tokens[i], a, u, l, live);
    A others = A(0);
    if (u > A(0)) {
      A odds = a / u;
      auto term = [=](int64_t j) { return log1p_positive(odds * exponential(load(logits[j]) - l)); };
      others = u * (sum<A>(live, term) - term(x));
    }
    loss[i] = (a + u) * at.log_x - others + exponential_minus_1(at.log_r) - at.log_r;
  }
}

template <class T>
static void mixture_grad(const wide<T>* __restrict dloss, const T* __restrict logits, const int64_t* __restrict targets, const int64_t* __restrict tokens,
                         const wide<T>* __restrict alpha, const wide<T>* __restrict uniform, const wide<T>* __restrict lse, T* __restrict dlogits, int64_t n,
                         int64_t d, int64_t live) {
  using A = wide<T>;
  for (int64_t i = 0; i < n; ++i, logits += d, dlogits += d) {
    A g = dloss[i], a = alpha[i], u = uniform[i], l = lse[i];
    // A position without weight has no gradient, however wild its logits are.
    if (g == A(0) || !(a > A(0))) {
      for (int64_t j = 0; j < d; ++j) store(&dlogits[j], A(0));
      continue;
    }
    int64_t x = targets[i], z = tokens[i];
    A one_minus_r = -exponential_minus_1(ratios(logits, x, z, a, u, l, live).log_r);
    // s_j = alpha p_j / (alpha p_j + u), 1 where u is 0.
    auto p = [=](int64_t j) { return exponential(load(logits[j]) - l); };
    auto share = [=](int64_t j) { return u > A(0) ? a * p(j) / (a * p(j) + u) : A(1); };
    A s_x = share(x), c_x = (z == x ? one_minus_r : A(0)) - (a + u), c_z = z < live && z != x ? one_minus_r - u : A(0);
    A total = c_x * s_x + (c_z == A(0) ? A(0) : c_z * share(z));
    if (u > A(0)) {
      A all = sum<A>(live, [=](int64_t j) { A mine = a * p(j); return mine / (mine + u); });
      total -= u * (all - s_x - (z < live && z != x ? share(z) : A(0)));
    }
    for (int64_t j = 0; j < live; ++j) {
      A q = p(j), mine = a * q;
      // Where u is 0 nothing is left of the quotient, which may be 0 / 0.
      A c = u > A(0) ? u * mine / (mine + u) : A(0);
      store(&dlogits[j], g * (-c - q * total));
    }
    for (int64_t j = live; j < d; ++j) store(&dlogits[j], A(0));
    store(&dlogits[x], g * (c_x * s_x - p(x) * total));
    if (z < live && z != x) store(&dlogits[z], g * (c_z * share(z) - p(z) * total));
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
static void add_wide(const T* __restrict x, wide<T>* __restrict sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] += load(x[i]);
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

// src/base/philox.rs has the function, and the published answers that hold both. Products are taken in loops
// of their own, which is how the compiler vectorises them.
static void dropped(const Draw& draw, uint8_t* __restrict out, int64_t from, int64_t to) {
  constexpr int64_t BLOCKS = 64;
  uint32_t words[4][BLOCKS], high_a[BLOCKS], high_b[BLOCKS];
  for (int64_t first = from; first < to; first += 4 * BLOCKS) {
    uint32_t *__restrict c0 = words[0], *__restrict c1 = words[1], *__restrict c2 = words[2], *__restrict c3 = words[3];
    uint32_t k0 = draw.seed, k1 = draw.purpose;
    for (int64_t j = 0; j < BLOCKS; ++j) {
      c0[j] = draw.step;
      c1[j] = draw.row;
      c2[j] = uint32_t(first / 4 + j);
      c3[j] = draw.site;
    }
    for (int round = 0; round < 10; ++round) {
      for (int64_t j = 0; j < BLOCKS; ++j) high_a[j] = uint32_t((uint64_t(0xD2511F53u) * c0[j]) >> 32);
      for (int64_t j = 0; j < BLOCKS; ++j) high_b[j] = uint32_t((uint64_t(0xCD9E8D57u) * c2[j]) >> 32);
      for (int64_t j = 0; j < BLOCKS; ++j) {
        uint32_t low_a = 0xD2511F53u * c0[j], low_b = 0xCD9E8D57u * c2[j];
        c0[j] = high_b[j] ^ c1[j] ^ k0;
        c1[j] = low_b;
        c2[j] = high_a[j] ^ c3[j] ^ k1;
        c3[j] = low_a;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    for (int64_t w = 0; w < 4; ++w) {
      int64_t at = first + w * BLOCKS, n = to - at < BLOCKS ? to - at : BLOCKS;
      for (int64_t j = 0; j < n; ++j) out[at + j] = words[w][j] < draw.threshold;
    }
  }
}

template <class T>
static constexpr Rows<T> rows() {
  return {rms_norm<T>, rms_norm_grad<T>, layer_norm<T>, layer_norm_grad<T>, rope<T>, norm_rope<T>, norm_rope_grad<T>,
          silu<T>,     silu_grad<T>,     swiglu<T>,     swiglu_grad<T>,     nll<T>,
          nll_grad<T>, nll_step<T>,      mixture<T>,
          mixture_grad<T>, embed_grad<T>, add_wide<T>};
}

static constexpr Table TABLE = {rows<bf16>(), rows<float>(), rows<double>(),
                                {adamw<float>, square_sum<float>}, {adamw<double>, square_sum<double>}, dropped};

}  // namespace DLMC_LEVEL

const Table& DLMC_JOIN(rows_, DLMC_LEVEL)() { return DLMC_LEVEL::TABLE; }

}  // namespace dlmc
