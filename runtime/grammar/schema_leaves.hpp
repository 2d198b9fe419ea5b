// Schemas of strings and numbers, and of values that are named: those without schemas within.
//
// Errors    As in schema.hpp, without the place.

#pragma once

#include "runtime/grammar/value_forms.hpp"

namespace larql::grammar {

/// A keyword that counts something.
[[nodiscard]] result<std::uint32_t> count_in(const ordered_json& schema, const char* key,
                                             std::uint32_t otherwise);

/// minLength, maxLength, pattern, format.
[[nodiscard]] result<node_id> add_string_schema(value_forms& forms, const ordered_json& schema);

/// minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf.
[[nodiscard]] result<node_id> add_number_schema(value_forms& forms, const ordered_json& schema,
                                                bool integer);

/// enum and const, beside type alone.
[[nodiscard]] result<node_id> add_named_values(value_forms& forms, const ordered_json& schema);

} // namespace larql::grammar
