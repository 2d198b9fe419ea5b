// The text of a schema as values: its parts by reference, and parts that were joined.

#pragma once

#include "runtime/base/json.hpp"

#include <deque>
#include <string>
#include <string_view>

namespace larql::grammar {

class schema_document {
public:
  /// References that lead to references, and schemas within schemas.
  static constexpr int max_levels = 100;

  /// Both must live longer; `name` stands for the schema in messages, `bytes` is its text's size.
  schema_document(const ordered_json& root, std::size_t bytes, std::string_view name)
      : root_(root), bytes_(bytes), name_(name) {}

  /// An error at a place of the schema.
  [[nodiscard]] failure wrong(errc code, const std::string& where, std::string_view what) const {
    return fail(code, "{} at {}: {}", name_, where, what);
  }

  /// Keeps a schema that was made, at an address that stays.
  const ordered_json& keep(ordered_json schema) { return kept_.emplace_back(std::move(schema)); }

  /// The schema itself, or what its $ref leads to; what stands beside a $ref is joined with it.
  [[nodiscard]] result<const ordered_json*> resolved(const ordered_json& schema,
                                                     const std::string& where);

  /// A schema that allows what both allow. @pre both are objects
  [[nodiscard]] result<ordered_json> merged(const ordered_json& a, const ordered_json& b,
                                            const std::string& where);

private:
  /// Bytes that are copied, and fields that are compared, while schemas are joined.
  static constexpr std::size_t max_work = std::size_t{64} << 20;

  [[nodiscard]] result<const ordered_json*> referred(const ordered_json& reference,
                                                     const std::string& where) const;

  const ordered_json& root_;
  std::size_t bytes_;
  std::size_t work_ = 0;
  std::string_view name_;
  std::deque<ordered_json> kept_;
};

} // namespace larql::grammar
