// The fast parameters of one adapted task, on their own: what a personal model is made of.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../model/model.h"
#include "../plan/inner_loop.h"

namespace innerloop {

template <class T>
struct Graph;

// The posterior of a last layer with fewer support rows than weights, which is kept in its dual form.
struct DualPosterior {
  Index rows = 0;         // support rows; without any the posterior is the prior
  std::vector<double> G;  // [rows, features + 1]
  Prior prior;            // its tensors in the shared parameters
};

template <class T>
struct Adapted {
  std::shared_ptr<const Model<T>> model;
  std::vector<std::uint8_t> fast;               // by tensor
  std::vector<std::vector<T>> dense;            // by tensor: [size], fast dense tensors
  std::vector<std::vector<std::int32_t>> rows;  // by tensor: table rows of a fast embedding, ascending
  std::vector<std::vector<T>> blocks;           // by tensor: [rows, dim]
  // The graph of a learner that is one, and what its query rows read of the support rows, by Graph::kept.
  std::shared_ptr<const Graph<T>> graph;
  std::vector<std::vector<T>> kept;
  Index support = 0;
  // What ridge and laplace keep where it was asked for (solvers/posterior.h): the Cholesky factor of the posterior
  // precision M, or with `dual` that of I + G Gᵀ, and the last layer itself in double.
  std::vector<double> factor;
  std::optional<DualPosterior> dual;
  std::vector<double> mode;

  bool has_posterior() const { return !factor.empty() || dual; }
};

}  // namespace innerloop
