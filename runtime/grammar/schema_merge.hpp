// Several schemas that a value must meet at once, as one.

#pragma once

#include "runtime/base/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace larql::grammar {

/// Says nothing about values.
[[nodiscard]] bool is_annotation(std::string_view keyword);

/// A schema that allows what both allow. Fails with `unsupported`, naming the keyword, if there is
/// no simple one. @pre both are objects without $ref
[[nodiscard]] result<ordered_json> merge_schemas(const ordered_json& a, const ordered_json& b);

/// What the types of a schema are, from its keywords if it does not say: names of types, and empty
/// for any.
[[nodiscard]] std::vector<std::string> types_of(const ordered_json& schema);

/// No value can meet both, as far as that shows: their types differ, or the values of a field that
/// both require. @pre objects without $ref
[[nodiscard]] bool exclude_each_other(const ordered_json& a, const ordered_json& b);

} // namespace larql::grammar
