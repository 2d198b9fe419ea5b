// JSON schema to automata.
//
// Whatever the automaton accepts is a value that the schema allows. Where a schema allows more than
// a model needs, the automaton accepts a part of it:
//
//   objects   fields come in the order of the schema (in tool calls: sorted), those that are not
//             declared behind them, if additionalProperties says so or no field is declared
//   strings   a pattern's characters are escaped in one way
//   numbers   at most 18 digits before the point; no exponent where there are bounds
//   white space  none, a blank, or a line break and an indentation of at most 40; none in calls
//
// Keywords  type (also a list), enum, const, properties, required, additionalProperties, items,
//           prefixItems, minItems, maxItems, minLength, maxLength, pattern, format (date, time,
//           date-time, duration, uuid, email, hostname, ipv4, ipv6, uri; others say nothing),
//           minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf 1, anyOf, oneOf (of
//           alternatives that exclude each other), allOf (of parts that can be joined), $ref within
//           the schema, nullable.
//           Without effect: title, description, default, examples, example, deprecated, readOnly,
//           writeOnly, $schema, $id, $comment, $defs, definitions, contentEncoding,
//           contentMediaType, discriminator, uniqueItems false, names that begin with "x-".
// Errors    `unsupported`: another keyword, or a combination that cannot be followed, by its name
//           and place ("the schema at #/properties/a: keyword "not" is not supported"). `usage`: a
//           schema that is none, or that no value can meet.
// Bounds    128 KB of text, 64 levels, 5,000 fields of an object, references through 100 schemas,
//           10,000 values of an enum, network_builder::max_nodes.

#pragma once

#include "runtime/grammar/value_forms.hpp"

#include <string_view>

namespace larql::grammar {

/// Largest text of a schema.
inline constexpr std::size_t max_schema_bytes = 128u << 10;

/// The node where a value begins that the schema allows; behind it comes net.end(). `name` stands
/// for the schema in messages.
[[nodiscard]] result<node_id> add_schema(value_forms& forms, std::string_view schema,
                                         std::string_view name);

} // namespace larql::grammar
