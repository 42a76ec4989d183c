// Exports what the core decides for itself, for callers that count operations or estimate memory.
#include "../meta/sums.h"
#include "../plan/form.h"
#include "arguments.h"
#include "job.h"
#include "operations.h"

namespace innerloop {
namespace {

// Gives the form of an adapted layer over tasks of so many rows.
Napi::Value form(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object work = object(info[0], "work");
    const LayerWork layer{.inputs = integer(work, "inputs", 1, kMaxCount),
                          .outputs = integer(work, "outputs", 1, kMaxCount),
                          .support_rows = number(work, "support"),
                          .query_rows = number(work, "query"),
                          .steps = static_cast<int>(integer(work, "steps", 0, kMaxCount)),
                          .order = static_cast<int>(integer(work, "order", 1, 2)),
                          .has_layers_below = work.Get("layersBelow").ToBoolean()};
    for (const Enumerator& one : enumerators<Form>())
      if (one.value == static_cast<int>(cheaper_form(layer))) return Napi::String::New(info.Env(), one.name);
    throw Error("NATIVE", "a form without a name");
  });
}

// Gives how many sums of the dense gradient a batch of so many tasks has, where a sum takes so many bytes.
Napi::Value chunks(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Index tasks = integer(info[0].ToNumber().DoubleValue(), 1, kMaxCount, "tasks");
    const Index bytes = integer(info[1].ToNumber().DoubleValue(), 0, 9007199254740991.0, "bytes");
    return Napi::Number::New(info.Env(), static_cast<double>(chunk_count(tasks, bytes)));
  });
}

}  // namespace

Napi::Object decisions(Napi::Env env) {
  const Operations operations{env, Napi::Object::New(env)};
  operations.add("form", form);
  operations.add("chunks", chunks);
  return operations.exports;
}

}  // namespace innerloop
