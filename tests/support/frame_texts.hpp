// What a connection has sent, as text.

#pragma once

#include "schema/codec.hpp"
#include "tests/support/message_text.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

namespace larql::test {

/// The messages in these bytes, as text.
inline std::vector<std::string> texts_of(std::vector<char> bytes) {
  auto out = std::vector<std::string>{};
  while (!bytes.empty()) {
    const auto length = schema::decode_header(std::span{bytes}.first(schema::frame_header_bytes),
                                              schema::max_frame_bytes);
    if (!length) {
      ADD_FAILURE() << length.error().text;
      return out;
    }
    const auto begin = bytes.begin() + schema::frame_header_bytes;
    const auto body = std::vector<char>(begin, begin + *length);
    const auto m = schema::decode(body);
    out.push_back(m ? text_of(*m) : m.error().text);
    bytes.erase(bytes.begin(), begin + *length);
  }
  return out;
}

} // namespace larql::test
