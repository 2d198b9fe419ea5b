// A message of the wire as the bytes that are sent.

#pragma once

#include "schema/codec.hpp"

#include <vector>

namespace larql::test {

inline std::vector<char> frame_of(const schema::message& m) {
  auto out = std::vector<char>{};
  schema::encode(m, out);
  return out;
}

} // namespace larql::test
