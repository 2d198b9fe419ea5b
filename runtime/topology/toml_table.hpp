// One table of a TOML file with typed reads. The only place that knows toml++.
//
// Errors    "file:line: key: what was found, what was expected". only() refuses keys that nobody
//           knows, with the nearest known one as a hint, so that a typing error is not a default.
// Owner     Tables share the parsed document.

#pragma once

#include "runtime/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace larql::topology {

class toml_table {
public:
  /// Parses a document; `name` stands for the file in messages.
  [[nodiscard]] static result<toml_table> parse(std::string_view text, std::string name);

  [[nodiscard]] bool has(std::string_view key) const;

  // Each fails if the key is there with another type or outside the range; `otherwise` is what an
  // absent key gives.
  [[nodiscard]] result<std::string> string(std::string_view key) const;
  [[nodiscard]] result<std::string> string_or(std::string_view key, std::string otherwise) const;
  [[nodiscard]] result<bool> boolean_or(std::string_view key, bool otherwise) const;
  [[nodiscard]] result<std::uint64_t> integer_or(std::string_view key, std::uint64_t min,
                                                 std::uint64_t max, std::uint64_t otherwise) const;
  [[nodiscard]] result<double> number_or(std::string_view key, double min, double max,
                                         double otherwise) const;
  [[nodiscard]] result<std::chrono::milliseconds>
  duration_or(std::string_view key, std::chrono::milliseconds min, std::chrono::milliseconds max,
              std::chrono::milliseconds otherwise) const;
  /// A string or an array of strings; empty if absent.
  [[nodiscard]] result<std::vector<std::string>> strings(std::string_view key) const;

  /// A table; an empty one if absent.
  [[nodiscard]] result<toml_table> table(std::string_view key) const;
  /// An array of tables; empty if absent.
  [[nodiscard]] result<std::vector<toml_table>> tables(std::string_view key) const;

  /// Fails on the first key that is not in `known`.
  [[nodiscard]] result<void> only(std::initializer_list<std::string_view> known) const;

  /// An error about a key: "file:line: key: text".
  [[nodiscard]] failure wrong(std::string_view key, std::string_view text) const;
  /// "file:line" of a key, or of the table if the key is absent.
  [[nodiscard]] std::string where(std::string_view key) const;

private:
  struct document;
  toml_table(std::shared_ptr<const document> all, const void* table)
      : document_(std::move(all)), table_(table) {}

  [[nodiscard]] failure wrong_type(std::string_view key, std::string_view expected) const;

  std::shared_ptr<const document> document_;
  const void* table_; // a toml::table of the document; null: an absent one
};

} // namespace larql::topology
