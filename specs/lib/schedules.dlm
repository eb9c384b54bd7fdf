//! Masking schedules of the literature: alpha(t), the chance that a token is still clean at noise level t.
//! Also `use "std/schedules.dlm"`. For masked diffusion a schedule changes variance and optimisation, not
//! the bound; its weight -alpha'/(1 - alpha) is derived, never given.

/// What the code of MDLM and SEDD leaves clean at t = 1, so that no weight is infinite.
let eps = 1e-3

/// Weight 1/t. LLaDA (arXiv 2502.09992), MegaDLMs, Quokka; Sahoo et al. (arXiv 2406.07524) in the paper.
schedule linear(t) = 1 - t

/// Linear that stops at eps: weight 1/t too. "Log-linear" in MDLM's and SEDD's code, for sigma = -log(alpha).
schedule loglinear(t) = 1 - (1 - eps) * t

/// "Cosine" in Shi et al. (MD4, arXiv 2406.04329), Duo and dLLM: masks quickly first, slowly at the end.
schedule cosine(t) = 1 - cos(pi / 2 * (1 - t))

/// "Cosine" in MDLM's and BD3LM's code, with alpha(1) = eps: slowly first, quickly at the end.
schedule cosine_mdlm(t) = eps + (1 - eps) * cos(pi / 2 * t)

/// "Cosine-squared" in MDLM's code, with alpha(1) = eps.
schedule cosine_squared(t) = eps + (1 - eps) * cos(pi / 2 * t)^2

/// 1 - t^n with n = 2, weight 2/t: "poly2" in Quokka, "square" in BD3LM's code (arXiv 2503.09573).
schedule square(t) = 1 - t^2

/// 1 - t^n with n = 3, weight 3/t.
schedule cubic(t) = 1 - t^3

/// 1 - t^n with n = 1/2, weight 1/(2 t): "square_root" in BD3LM's code.
schedule square_root(t) = 1 - sqrt(t)

/// "Log" in BD3LM's code.
schedule logarithmic(t) = 1 - log(1 + t) / log(2)

/// sigma from 1e-4 to 20 in equal ratios: Lou et al. (SEDD, arXiv 2310.16834).
schedule geometric(t) = exp(-1e-4^(1 - t) * 20^t)

/// sigma from 1e-3 to 7 in equal steps: "linear" in MDLM's code, where the word means sigma, not alpha.
schedule linear_sigma(t) = exp(-(1e-3 + (7 - 1e-3) * t))
