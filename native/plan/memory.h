// How much memory the work on one task takes, from sizes alone: for estimates before a training.
#pragma once
#include <vector>

#include "../model/model.h"
#include "inner_loop.h"

namespace innerloop {

struct TaskSizes {
  Index support, query;
  std::vector<Index> rows;  // by tensor: distinct rows that the task reads of a table
};

// Roughly the bytes that the meta-gradient of a task takes of its thread's arenas: what tasks, solvers and graphs take
// there, in the same terms.
template <class T>
double task_bytes(const Model<T>& model, const InnerLoop<T>& inner, bool reptile, const TaskSizes& sizes);

}  // namespace innerloop
