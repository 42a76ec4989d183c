// How much work a call is, from sizes alone: to tell brief calls from long ones (runtime/thread_pool.h).
#pragma once
#include "../batch/batch.h"
#include "inner_loop.h"

namespace innerloop {

// Multiply-adds that take some ten microseconds on one thread: less than to wake another and be woken by it.
constexpr double kInstantWork = 1e5;
// Some milliseconds.
constexpr double kBriefWork = 3e7;

// What a call makes of the tasks of a batch: outputs, adapted parameters, gradients with respect to all of them.
enum class Wanted { outputs, adapted, gradients };

// Roughly its multiply-adds, never far too few.
template <class T>
double work_of(const InnerLoop<T>& inner, const Batch<T>& batch, Wanted wanted);

}  // namespace innerloop
