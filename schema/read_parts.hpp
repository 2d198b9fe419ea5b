// What both readers of messages need: errors that name a field, and parts whose size is bounded
// before anything is copied.
//
// Errors    `corrupt`, with the name of the field.
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"

#include <capnp/blob.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace larql::schema {

/// A message that contradicts its format: "message: call.rows is 0".
[[nodiscard]] failure bad_message(std::string_view field, std::string_view what);

[[nodiscard]] result<std::string> read_text(capnp::Text::Reader t, std::size_t limit,
                                            std::string_view field);

/// Of a list: not more entries than are allowed.
[[nodiscard]] result<void> check_count(std::size_t count, std::size_t limit,
                                       std::string_view field);

/// Bytes that fill an array, no more and no less.
template <class Array>
[[nodiscard]] result<Array> read_exactly(std::span<const std::byte> bytes, std::string_view field) {
  auto out = Array{};
  if (bytes.size() != out.size())
    return bad_message(field, fmt::format("has {} bytes, expected {}", bytes.size(), out.size()));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

[[nodiscard]] inline std::span<const std::byte> span_of(capnp::Data::Reader d) {
  return {reinterpret_cast<const std::byte*>(d.begin()), d.size()};
}

} // namespace larql::schema
