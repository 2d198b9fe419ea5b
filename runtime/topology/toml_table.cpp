#include "runtime/topology/toml_table.hpp"

#include "runtime/topology/duration.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace larql::topology {

struct toml_table::document {
  std::string name;
  toml::table root;
};

namespace {

const toml::table* as_table(const void* p) {
  return static_cast<const toml::table*>(p);
}

const toml::node* find(const void* table, std::string_view key) {
  return table == nullptr ? nullptr : as_table(table)->get(key);
}

std::string text_of(const toml::node& node) {
  auto out = std::ostringstream{};
  out << toml::node_view<const toml::node>{node};
  auto text = out.str();
  if (text.size() > 60)
    text = text.substr(0, 60) + "…";
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  auto row = std::vector<std::size_t>(b.size() + 1);
  for (auto j = std::size_t{0}; j <= b.size(); ++j)
    row[j] = j;
  for (auto i = std::size_t{1}; i <= a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (auto j = std::size_t{1}; j <= b.size(); ++j) {
      const auto changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The end of the string or comment that begins at `at`.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const auto quote = text[at];
  if (quote == '#')
    return std::min(text.find('\n', at), text.size());
  const auto three = std::string(3, quote);
  const auto is_long = text.substr(at, 3) == three;
  for (at += is_long ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (is_long && text.substr(at, 3) == three) {
      at += 3;
      for (auto more = 0; more < 2 && at < text.size() && text[at] == quote; ++more)
        ++at; // up to two quotes before the closing ones belong to the string
      return at;
    } else if (!is_long && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    }
  }
  return text.size();
}

// Outside of strings and comments TOML is ASCII. toml++ 3.3 must not see anything else there: for
// "ü" it runs into what it calls unreachable.
std::optional<std::size_t> first_foreign_character(std::string_view text) {
  for (auto at = text.starts_with("\xef\xbb\xbf") ? std::size_t{3} : 0; at < text.size();) {
    if (text[at] == '"' || text[at] == '\'' || text[at] == '#')
      at = end_of_quoted(text, at);
    else if (static_cast<unsigned char>(text[at]) >= 0x80)
      return at;
    else
      ++at;
  }
  return std::nullopt;
}

} // namespace

result<toml_table> toml_table::parse(std::string_view text, std::string name) {
  if (const auto at = first_foreign_character(text))
    return fail(
        errc::usage, "{}:{}: a character outside of strings and comments is not ASCII", name,
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*at), '\n'));
  auto parsed = toml::parse(text);
  if (!parsed)
    return fail(errc::usage, "{}:{}: {}", name, parsed.error().source().begin.line,
                parsed.error().description());
  auto all = std::make_shared<document>();
  all->name = std::move(name);
  all->root = std::move(parsed).table();
  const void* root = &all->root;
  return toml_table{std::move(all), root};
}

bool toml_table::has(std::string_view key) const {
  return find(table_, key) != nullptr;
}

std::string toml_table::where(std::string_view key) const {
  const auto* node = find(table_, key);
  const auto* at = node != nullptr ? node : static_cast<const toml::node*>(as_table(table_));
  return at == nullptr ? document_->name
                       : fmt::format("{}:{}", document_->name, at->source().begin.line);
}

failure toml_table::wrong(std::string_view key, std::string_view text) const {
  return fail(errc::usage, "{}: {}: {}", where(key), key, text);
}

failure toml_table::wrong_type(std::string_view key, std::string_view expected) const {
  return wrong(key, fmt::format("is {}, expected {}", text_of(*find(table_, key)), expected));
}

result<std::string> toml_table::string(std::string_view key) const {
  if (!has(key))
    return wrong(key, "is missing");
  return string_or(key, {});
}

result<std::string> toml_table::string_or(std::string_view key, std::string otherwise) const {
  const auto* node = find(table_, key);
  if (node == nullptr)
    return otherwise;
  const auto* text = node->as_string();
  if (text == nullptr)
    return wrong_type(key, "a string");
  return text->get();
}

result<bool> toml_table::boolean_or(std::string_view key, bool otherwise) const {
  const auto* node = find(table_, key);
  if (node == nullptr)
    return otherwise;
  const auto* value = node->as_boolean();
  if (value == nullptr)
    return wrong_type(key, "true or false");
  return value->get();
}

result<std::uint64_t> toml_table::integer_or(std::string_view key, std::uint64_t min,
                                             std::uint64_t max, std::uint64_t otherwise) const {
  const auto* node = find(table_, key);
  if (node == nullptr)
    return otherwise;
  const auto* value = node->as_integer();
  if (value == nullptr || value->get() < 0 || static_cast<std::uint64_t>(value->get()) < min ||
      static_cast<std::uint64_t>(value->get()) > max)
    return wrong_type(key, fmt::format("a whole number from {} to {}", min, max));
  return static_cast<std::uint64_t>(value->get());
}

result<double> toml_table::number_or(std::string_view key, double min, double max,
                                     double otherwise) const {
  const auto* node = find(table_, key);
  if (node == nullptr)
    return otherwise;
  const auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value || !(*value >= min && *value <= max))
    return wrong_type(key, fmt::format("a number from {} to {}", min, max));
  return *value;
}

result<std::chrono::milliseconds>
toml_table::duration_or(std::string_view key, std::chrono::milliseconds min,
                        std::chrono::milliseconds max, std::chrono::milliseconds otherwise) const {
  if (!has(key))
    return otherwise;
  const auto* text = find(table_, key)->as_string();
  if (text == nullptr)
    return wrong_type(key, "a duration like \"250ms\"");
  const auto duration = parse_duration(text->get());
  if (!duration)
    return wrong(key, duration.error().text);
  if (*duration < min || *duration > max)
    return wrong_type(key, fmt::format("a duration from {} to {}", to_text(min), to_text(max)));
  return *duration;
}

result<std::vector<std::string>> toml_table::strings(std::string_view key) const {
  auto out = std::vector<std::string>{};
  const auto* node = find(table_, key);
  if (node == nullptr)
    return out;
  if (const auto* one = node->as_string()) {
    out.push_back(one->get());
    return out;
  }
  const auto* array = node->as_array();
  if (array == nullptr)
    return wrong_type(key, "a string or an array of strings");
  for (const auto& element : *array) {
    const auto* text = element.as_string();
    if (text == nullptr)
      return wrong_type(key, "an array of strings");
    out.push_back(text->get());
  }
  return out;
}

result<toml_table> toml_table::table(std::string_view key) const {
  const auto* node = find(table_, key);
  if (node == nullptr)
    return toml_table{document_, nullptr};
  const auto* inner = node->as_table();
  if (inner == nullptr)
    return wrong_type(key, "a table");
  return toml_table{document_, inner};
}

result<std::vector<toml_table>> toml_table::tables(std::string_view key) const {
  auto out = std::vector<toml_table>{};
  const auto* node = find(table_, key);
  if (node == nullptr)
    return out;
  const auto* array = node->as_array();
  if (array == nullptr)
    return wrong_type(key, fmt::format("an array of tables: [[{}]]", key));
  for (const auto& element : *array) {
    if (!element.is_table())
      return wrong_type(key, fmt::format("an array of tables: [[{}]]", key));
    out.push_back(toml_table{document_, element.as_table()});
  }
  return out;
}

result<void> toml_table::only(std::initializer_list<std::string_view> known) const {
  if (table_ == nullptr)
    return {};
  for (const auto& [key, node] : *as_table(table_)) {
    const auto name = key.str();
    if (std::find(known.begin(), known.end(), name) != known.end())
      continue;
    const auto nearest = std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
      return edit_distance(name, a) < edit_distance(name, b);
    });
    const auto hint = nearest != known.end() && edit_distance(name, *nearest) <= 2
                          ? fmt::format(" (did you mean \"{}\"?)", *nearest)
                          : std::string{};
    return wrong(name, fmt::format("is no key of this table{}", hint));
  }
  return {};
}

} // namespace larql::topology
