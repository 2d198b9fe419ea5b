#include "runtime/grammar/value_forms.hpp"

#include "runtime/grammar/number_range.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <map>

namespace larql::grammar {

namespace {

// Deeper than what programs write; a model must not fill its answer with blanks.
constexpr std::uint32_t max_indentation = 40;

// A key of the model's own choice has no more characters in common with a declared one.
constexpr std::size_t max_shared_key = 200;

std::u32string scalars_of(std::string_view text) {
  auto out = std::u32string{};
  while (!text.empty()) {
    const auto unit = text::next_utf8(text);
    out += unit.what == text::utf8_unit::kind::scalar ? unit.scalar : U'\ufffd';
    text.remove_prefix(unit.length);
  }
  return out;
}

// Characters of keys of the model's own choice.
const char_set& key_characters(value_style style) {
  static const auto json = char_set{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}}.complement();
  static const auto call =
      char_set{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}, {'-', '.'}, {'$', '$'}};
  return style == value_style::json ? json : call;
}

} // namespace

node_id value_forms::space(node_id next) {
  if (style_ == value_style::call)
    return next;
  if (!blank_) {
    blank_ = net_.step();
    net_.edge(*blank_, ' ', ' ', net_.end());
    net_.edge(*blank_, '\t', '\t', net_.end());
  }
  const auto node = net_.step();
  net_.edge(node, ' ', ' ', next);
  net_.edge(node, '\n', '\n', net_.repeat(*blank_, 0, max_indentation, next));
  net_.free(node, next);
  return node;
}

node_id value_forms::comma(node_id next) {
  return net_.bytes(",", space(next));
}

// ---- strings and literals -----------------------------------------------------------------------

node_id value_forms::any_string() {
  if (any_string_)
    return *any_string_;
  const auto quote = quote_of(style_);
  const auto loop = net_.step();
  add_any_character(net_, loop, style_, loop);
  net_.edge(loop, quote, quote, net_.end());
  net_.mark_text(loop, style_ == value_style::json ? text_kind::json : text_kind::any, false);
  any_string_ = net_.symbols(std::vector<symbol>{quote}, loop);
  return *any_string_;
}

node_id value_forms::string(std::uint32_t min, std::uint32_t max, node_id next) {
  if (min == 0 && max == unbounded)
    return net_.call(any_string(), next);
  if (!character_) {
    character_ = net_.step();
    add_any_character(net_, *character_, style_, net_.end());
    net_.mark_text(*character_, style_ == value_style::json ? text_kind::json : text_kind::any,
                   true);
  }
  const auto quote = std::vector<symbol>{quote_of(style_)};
  return net_.symbols(quote, net_.repeat(*character_, min, max, net_.symbols(quote, next)));
}

result<node_id> value_forms::matching_string(std::string_view expression, node_id next) {
  const auto quote = std::vector<symbol>{quote_of(style_)};
  LARQL_TRY(const auto text, add_regex(net_, expression, style_, net_.symbols(quote, next)));
  return net_.symbols(quote, text);
}

void value_forms::append_literal(const ordered_json& value, std::vector<symbol>& out) const {
  const auto put = [&](std::string_view bytes) {
    for (const auto c : bytes)
      out.push_back(static_cast<unsigned char>(c));
  };
  if (value.is_string()) {
    const auto text = symbols_in_string(value.get_ref<const std::string&>(), style_);
    out.push_back(quote_of(style_));
    out.insert(out.end(), text.begin(), text.end());
    out.push_back(quote_of(style_));
  } else if (value.is_array()) {
    put("[");
    for (auto i = std::size_t{0}; i < value.size(); ++i) {
      put(i > 0 ? "," : "");
      append_literal(value[i], out);
    }
    put("]");
  } else if (value.is_object()) {
    auto names = std::vector<std::string>{};
    for (const auto& [name, field] : value.items())
      names.push_back(name);
    put_in_order(names, style_);
    put("{");
    for (auto i = std::size_t{0}; i < names.size(); ++i) {
      put(i > 0 ? "," : "");
      if (style_ == value_style::json)
        append_literal(ordered_json(names[i]), out);
      else
        put(names[i]);
      put(":");
      append_literal(value.at(names[i]), out);
    }
    put("}");
  } else {
    put(value.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  }
}

node_id value_forms::literals(const std::vector<ordered_json>& values, node_id next) {
  auto sequences = std::vector<std::vector<symbol>>{};
  for (const auto& value : values)
    append_literal(value, sequences.emplace_back());
  return net_.any_sequence(std::move(sequences), next);
}

// ---- arrays -------------------------------------------------------------------------------------

node_id value_forms::array(const array_items& items, node_id next) {
  const auto close = net_.bytes("]", next);
  const auto spaced_close = space(close);
  const auto item = [&](node_id callee, node_id behind) { return net_.call(callee, behind); };
  auto start = net_.step(); // without moves: nothing fits
  if (items.min <= items.max) {
    auto content = spaced_close;
    auto has_content = !items.first.empty();
    if (items.item && items.max > 0) {
      const auto more = net_.step();
      net_.free(more, comma(item(*items.item, net_.end())));
      if (items.first.empty()) { // the first one has no comma
        const auto min = items.min > 0 ? items.min - 1 : 0;
        const auto max = items.max == unbounded ? unbounded : items.max - 1;
        content = item(*items.item, net_.repeat(more, min, max, spaced_close));
        has_content = true;
      } else {
        content = net_.repeat(more, items.min, items.max, spaced_close);
      }
    } else if (items.min > 0) {
      return start;
    }
    for (auto i = items.first.size(); i-- > 0;) {
      content = item(items.first[i], content);
      if (i > 0)
        content = comma(content);
    }
    if (has_content)
      net_.free(start, content);
    if (items.may_be_empty)
      net_.free(start, close);
  }
  return net_.bytes("[", space(start));
}

// ---- keys ---------------------------------------------------------------------------------------

node_id value_forms::key(std::string_view name, node_id value) {
  auto text = std::vector<symbol>{};
  if (style_ == value_style::json) {
    append_literal(ordered_json(std::string{name}), text);
  } else {
    for (const auto c : name)
      text.push_back(static_cast<unsigned char>(c));
  }
  text.push_back(':');
  return net_.symbols(text, space(value));
}

node_id value_forms::other_key(const std::vector<std::string>& names, node_id value) {
  const auto colon = net_.bytes(":", space(value));
  const auto json = style_ == value_style::json;
  const auto end = json ? net_.bytes("\"", colon) : colon;
  const auto rest = net_.step(); // behind what no name begins with
  add_utf8(net_, rest, key_characters(style_), rest);
  net_.free(rest, end);
  if (json)
    net_.mark_text(rest, text_kind::json, false);
  auto spelled = std::vector<std::u32string>{};
  for (const auto& name : names)
    spelled.push_back(scalars_of(name));
  auto all = std::vector<const std::u32string*>{};
  for (const auto& name : spelled)
    all.push_back(&name);
  const auto begin = net_.step(), foreign = net_.step();
  add_utf8(net_, foreign, key_characters(style_).without({{0, 0x7f}}), rest);
  other_characters(begin, all, 0, rest, foreign, end);
  return json ? net_.bytes("\"", begin) : begin;
}

// `names` begin with what has come so far, `depth` characters.
void value_forms::other_characters(node_id node, const std::vector<const std::u32string*>& names,
                                   std::size_t depth, node_id rest, node_id foreign, node_id end) {
  auto by_next = std::map<char32_t, std::vector<const std::u32string*>>{};
  auto taken = char_set{};
  auto is_name = style_ == value_style::call && depth == 0; // a bare key is not empty
  for (const auto* name : names) {
    if (name->size() == depth) {
      is_name = true;
      continue;
    }
    by_next[(*name)[depth]].push_back(name);
    taken.add((*name)[depth], (*name)[depth]);
  }
  if (!is_name)
    net_.free(node, end);
  // Beyond ASCII most nodes are alike and share what follows.
  static const auto ascii = char_set{{0, 0x7f}};
  auto free_characters = key_characters(style_).without(taken);
  if (taken.without(ascii).empty()) {
    net_.free(node, foreign);
    free_characters = free_characters.without(ascii.complement());
  }
  add_utf8(net_, node, free_characters, rest);
  for (const auto& [scalar, longer] : by_next) {
    if (!key_characters(style_).contains(scalar) || net_.full() || depth == max_shared_key)
      continue;
    const auto next = net_.step();
    add_utf8(net_, node, char_set{{scalar, scalar}}, next);
    other_characters(next, longer, depth + 1, rest, foreign, end);
  }
}

void put_in_order(std::vector<std::string>& names, value_style style) {
  if (style == value_style::json)
    return;
  const auto lower = [](std::string text) {
    for (auto& c : text)
      if (c >= 'A' && c <= 'Z')
        c = static_cast<char>(c - 'A' + 'a');
    return text;
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return lower(a) < lower(b); });
}

// ---- any value ----------------------------------------------------------------------------------

node_id value_forms::any_value() {
  if (any_value_)
    return *any_value_;
  const auto start = net_.step();
  any_value_ = start; // it calls itself
  auto number = add_number(net_, {}, net_.end());
  for (const auto* word : {"true", "false", "null"})
    net_.free(start, net_.bytes(word, net_.end()));
  net_.free(start, net_.call(any_string(), net_.end()));
  net_.free(start, *number); // without bounds it does not fail
  net_.free(start, any_object());
  net_.free(start, array({.item = start}, net_.end()));
  return start;
}

node_id value_forms::any_object() {
  if (any_object_)
    return *any_object_;
  const auto start = net_.step();
  any_object_ = start;
  const auto value = any_value();
  const auto close = net_.bytes("}", net_.end());
  const auto behind = net_.step(); // behind a value
  const auto field = net_.call(value, behind);
  const auto colon = net_.bytes(":", space(field));
  const auto pair =
      style_ == value_style::json ? net_.call(any_string(), colon) : other_key({}, field);
  net_.free(behind, comma(pair));
  net_.free(behind, space(close));
  const auto content = net_.step();
  net_.free(content, pair);
  net_.free(content, close);
  net_.free(start, net_.bytes("{", space(content)));
  return start;
}

} // namespace larql::grammar
