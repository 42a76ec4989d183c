// Many texts as JavaScript hands them over: one string of all, which takes a hundredth of the time of as many strings,
// and their lengths.
#pragma once
#include <napi.h>

#include "../serving/text_index.h"

namespace innerloop {

// @param name of the argument, for messages
// @param count of the texts, where `lengths` may be longer; negative: as many as those
Texts read_texts(const Napi::Value& joined, const Napi::Value& lengths, const char* name, Index count = -1);

// Exports { create(count), add(index, joined, lengths), find(index, joined, lengths) }.
Napi::Object text_operations(Napi::Env env);

}  // namespace innerloop
