// Attention in bf16 on a CPU with AVX512-BF16. Like rows.h it knows nothing of libtorch: attention.cpp is
// compiled for that instruction set alone, and kernels.cpp calls it only where the machine has it.
#pragma once
#include "rows.h"

namespace dlmc {

// A tensor [B, H, T, d]: elements from one sequence, head and position to the next. The last stride is 1.
struct Heads {
  bf16* data;
  int64_t batch, head, row;
  bf16* at(int64_t b, int64_t h) const { return data + b * batch + h * head; }
};

struct Attention {
  int64_t batch, heads, shared_heads, queries, keys, width;
  // [queries, n_runs, 2]: the keys that a query sees, as runs from..to. Unused runs are empty.
  const int32_t* runs;
  int64_t n_runs;
};

// Units of work, and bytes of scratch that each thread needs, aligned to 64.
int64_t attention_tasks(const Attention& of);
int64_t attention_scratch(const Attention& of);
// Runs tasks from..to. lse [B, H, queries].
void attention(const Attention& of, Heads q, Heads k, Heads v, Heads out, float* lse, int64_t from, int64_t to,
               char* scratch);

int64_t attention_grad_tasks(const Attention& of);
int64_t attention_grad_scratch(const Attention& of);
void attention_grad(const Attention& of, Heads dout, Heads q, Heads k, Heads v, Heads out, const float* lse, Heads dq,
                    Heads dk, Heads dv, int64_t from, int64_t to, char* scratch);

}  // namespace dlmc
