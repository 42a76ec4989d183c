// The fast parameters of one adapted task, on their own: what a personal model is made of.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../model/model.h"

namespace innerloop {

template <class T>
struct Graph;

template <class T>
struct Adapted {
  std::shared_ptr<const Model<T>> model;
  std::vector<std::uint8_t> fast;               // by tensor
  std::vector<std::vector<T>> dense;            // by tensor: [size], fast dense tensors
  std::vector<std::vector<std::int32_t>> rows;  // by tensor: table rows of a fast embedding, ascending
  std::vector<std::vector<T>> blocks;           // by tensor: [rows, dim]
  // Of a learner that is a graph, and what its query rows read of the support rows, by Graph::kept.
  std::shared_ptr<const Graph<T>> graph;
  std::vector<std::vector<T>> kept;
  Index support = 0;
  std::vector<double> factor;  // ridge, laplace: Cholesky factor of the posterior precision
};

}  // namespace innerloop
