#pragma once
#include <napi.h>

#include <algorithm>

#include "../meta/sparse_gradient.h"
#include "../model/model.h"
#include "arguments.h"

namespace innerloop {

// These copy a tensor from the arena's layout, in which linear weights are transposed, to JavaScript's, and back.
template <class T>
void outward(const TensorInfo& t, const T* from, T* to) {
  if (t.transposed)
    kernels<T>().transpose(t.shape[1], t.shape[0], from, t.shape[0], to, t.shape[1]);
  else
    std::copy_n(from, t.size, to);
}

template <class T>
Napi::Value to_typed_array(Napi::Env env, const TensorInfo& t, const T* from) {
  auto out = Napi::TypedArrayOf<T>::New(env, static_cast<std::size_t>(t.size));
  outward<T>(t, from, out.Data());
  return out;
}

template <class T>
void inward(const TensorInfo& t, const T* from, T* to) {
  if (t.transposed)
    kernels<T>().transpose(t.shape[0], t.shape[1], from, t.shape[1], to, t.shape[0]);
  else
    std::copy_n(from, t.size, to);
}

// Rows of a table: `{ rows, data }`.
template <class Block>
Napi::Value rows_to_js(Napi::Env env, const std::vector<std::int32_t>& rows, const Block& block) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("rows", to_typed_array(env, rows));
  out.Set("data", to_typed_array(env, block));
  return out;
}

// Gives the gradient of every tensor: of embeddings the rows alone if `sparse`, else in full, the rows scattered into
// zeros.
template <class T>
Napi::Value gradient_to_js(Napi::Env env, const Model<T>& model, const SparseGradient<T>& gradient, bool sparse) {
  Napi::Array out = Napi::Array::New(env, model.tensors.size());
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& t = model.tensors[i];
    const auto at = static_cast<std::uint32_t>(i);
    if (t.input < 0) {
      out.Set(at, to_typed_array<T>(env, t, gradient.dense.data() + t.offset));
      continue;
    }
    if (sparse) {
      out.Set(at, rows_to_js(env, *gradient.rows[i], gradient.blocks[i]));
      continue;
    }
    const Index dim = model.dim(static_cast<int>(i));
    auto full = Napi::TypedArrayOf<T>::New(env, static_cast<std::size_t>(t.size));
    for (std::size_t r = 0; r < gradient.rows[i]->size(); ++r)
      std::copy_n(gradient.blocks[i].data() + r * dim, dim, full.Data() + (*gradient.rows[i])[r] * dim);
    out.Set(at, full);
  }
  return out;
}

// Gives the gradients of rates by tensor, each by step.
template <class T>
Napi::Value step_rates_to_js(Napi::Env env, const std::vector<std::vector<T>>& gradient) {
  Napi::Array rates = Napi::Array::New(env);
  for (const auto& g : gradient) rates.Set(rates.Length(), to_typed_array(env, g));
  return rates;
}

}  // namespace innerloop
