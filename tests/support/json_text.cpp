#include "tests/support/json_text.hpp"

#include <ostream>

namespace larql::test {

json parse_json_text(std::string_view text) {
  return json::parse(text);
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent);
}

} // namespace larql::test

namespace nlohmann {

void PrintTo(const json& value, std::ostream* out) {
  *out << value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace nlohmann
