// The functions that lib/foundation/native-contract.ts declares, for one scalar type: one file a group.
#pragma once
#include <napi.h>

namespace innerloop {

struct Operations {
  Napi::Env env;
  Napi::Object exports;
  void add(const char* name, Napi::Value (*f)(const Napi::CallbackInfo&)) const {
    exports.Set(name, Napi::Function::New(env, f, name));
  }
};

template <class T>
void add_model_operations(const Operations& operations);  // model.cc
template <class T>
void add_store_operations(const Operations& operations);  // store.cc
template <class T>
void add_initial_operations(const Operations& operations);  // initial.cc
template <class T>
void add_batch_operations(const Operations& operations);  // batch.cc
template <class T>
void add_graph_operations(const Operations& operations);  // graph.cc
template <class T>
void add_inner_loop_operations(const Operations& operations);  // inner_loop.cc
template <class T>
void add_adapted_operations(const Operations& operations);  // adapted.cc
template <class T>
void add_gradient_operations(const Operations& operations);  // gradient.cc
template <class T>
void add_training_operations(const Operations& operations);  // training.cc
template <class T>
void add_measuring_operations(const Operations& operations);  // measuring.cc
template <class T>
void add_serving_operations(const Operations& operations);  // serving.cc
template <class T>
void add_ranking_operations(const Operations& operations);  // ranking.cc

// Exports the names of every enum whose values JavaScript gives (enumerators.cc).
Napi::Object enumerator_tables(Napi::Env env);
// Exports what the core decides for itself and others must foresee: { form(work), chunks(tasks, bytes) }
// (decisions.cc).
Napi::Object decisions(Napi::Env env);

#define INNERLOOP_OPERATIONS(add)              \
  template void add<float>(const Operations&); \
  template void add<double>(const Operations&);

}  // namespace innerloop
