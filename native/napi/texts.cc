#include "texts.h"

#include "arguments.h"
#include "handle.h"
#include "job.h"
#include "operations.h"

namespace innerloop {

Texts read_texts(const Napi::Value& joined, const Napi::Value& lengths, const char* name, Index count) {
  Texts texts;
  std::size_t units = 0;
  if (!joined.IsString() || napi_get_value_string_utf16(joined.Env(), joined, nullptr, 0, &units) != napi_ok)
    throw Error("INVALID_OPTION", std::string(name) + " must be a string");
  texts.units.resize(units);  // which has room for the 0 at its end
  if (napi_get_value_string_utf16(joined.Env(), joined, texts.units.data(), units + 1, &units) != napi_ok)
    throw Error("NATIVE", std::string(name) + " cannot be read");
  texts.lengths = copy<std::int32_t>(lengths, "lengths", count);
  return texts;
}

namespace {

Napi::Value create_text_index(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsNumber()) throw Error("INVALID_OPTION", "count must be a number");
    const Index count = integer(info[0].As<Napi::Number>().DoubleValue(), 1, kMaxCount, "count");
    return wrap(info.Env(), std::make_shared<TextIndex>(count));
  });
}

// Nobody looks anything up in an index that lacks texts, so that none is changed under a thread that reads it.
Napi::Value add_texts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Holder<TextIndex>& holder = holder_of<TextIndex>(info[0]);
    unwrap<TextIndex>(info[0])->add(read_texts(info[1], info[2], "texts"));
    if (holder.x->is_complete()) holder.tell(info.Env());
    return info.Env().Undefined();
  });
}

Napi::Value find_texts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto index = unwrap<TextIndex>(info[0]);
    return to_typed_array(info.Env(), index->find(read_texts(info[1], info[2], "texts")));
  });
}

}  // namespace

Napi::Object text_operations(Napi::Env env) {
  const Operations operations{env, Napi::Object::New(env)};
  operations.add("create", create_text_index);
  operations.add("add", add_texts);
  operations.add("find", find_texts);
  return operations.exports;
}

}  // namespace innerloop
