// The tables of names: { LossKind: { mse: 0, … }, … }.
#include "../runtime/enumerators.h"

#include "../graphs/graph.h"
#include "../layers/layer.h"
#include "../meta/meta_gradient.h"
#include "../meta/outer_update.h"
#include "operations.h"

namespace innerloop {
namespace {

void add(Napi::Object& tables, const char* name, const std::vector<Enumerator>& enumerators) {
  Napi::Object table = Napi::Object::New(tables.Env());
  for (const Enumerator& one : enumerators) table.Set(one.name, Napi::Number::New(tables.Env(), one.value));
  tables.Set(name, table);
}

}  // namespace

Napi::Object enumerator_tables(Napi::Env env) {
  Napi::Object tables = Napi::Object::New(env);
#define INNERLOOP_TABLE(E) add(tables, #E, enumerators<E>());
  INNERLOOP_TABLE(Activation)
  INNERLOOP_TABLE(InputKind)
  INNERLOOP_TABLE(Pooling)
  add(tables, "LayerKind", layer_kinds());
  INNERLOOP_TABLE(LossKind)
  INNERLOOP_TABLE(RateKind)
  INNERLOOP_TABLE(SolverKind)
  INNERLOOP_TABLE(Form)
  INNERLOOP_TABLE(UpdateKind)
  INNERLOOP_TABLE(LstmTensor)
  INNERLOOP_TABLE(Direction)
  INNERLOOP_TABLE(OptimizerKind)
  INNERLOOP_TABLE(Op)
  INNERLOOP_TABLE(Unary)
  INNERLOOP_TABLE(ProductKind)
  INNERLOOP_TABLE(ModelSlot)
  INNERLOOP_TABLE(Part)
  return tables;
}

}  // namespace innerloop
