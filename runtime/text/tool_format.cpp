#include "runtime/text/tool_format.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace larql::text {

namespace {

using field = std::pair<std::string_view, const ordered_json*>;

std::string folded(std::string_view text, char first, char last, int distance) {
  auto out = std::string{text};
  for (auto& c : out)
    if (c >= first && c <= last)
      c = static_cast<char>(c + distance);
  return out;
}
std::string lower(std::string_view text) {
  return folded(text, 'A', 'Z', 'a' - 'A');
}
std::string upper(std::string_view text) {
  return folded(text, 'a', 'z', 'A' - 'a');
}

// The template's dictsort: by name, without regard to case.
std::vector<field> sorted(const ordered_json& object) {
  auto out = std::vector<field>{};
  for (const auto& [key, value] : object.items())
    out.emplace_back(key, &value);
  std::stable_sort(out.begin(), out.end(),
                   [](const field& a, const field& b) { return lower(a.first) < lower(b.first); });
  return out;
}

// The field of an object, or null: of something that is no object as well.
const ordered_json& at(const ordered_json& object, const char* key) {
  static const auto none = ordered_json{};
  if (!object.is_object())
    return none;
  const auto it = object.find(key);
  return it == object.end() ? none : *it;
}

// What the template takes for true.
bool is_something(const ordered_json& value) {
  if (value.is_boolean())
    return value.get<bool>();
  if (value.is_number())
    return value != 0;
  if (value.is_string())
    return !value.get_ref<const std::string&>().empty();
  return !value.empty(); // null is empty
}

std::string plain(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// A type in capitals; of a list of types, the list as Python would print it.
std::string type_of(const ordered_json& type) {
  if (type.is_string())
    return upper(type.get_ref<const std::string&>());
  if (!type.is_array())
    return type.is_null() ? std::string{} : upper(plain(type));
  auto out = std::string{"["};
  for (const auto& item : type)
    out += (out.size() > 1 ? ", '" : "'") + upper(plain(item)) + "'";
  return out + "]";
}

class writer {
public:
  writer(prompt_parts& out, const tool_style& style) : out_(out), style_(style) {}

  // The macro format_argument.
  void value(const ordered_json& v, bool quoted_keys) {
    if (v.is_string()) {
      out_.quoted(v.get_ref<const std::string&>());
    } else if (v.is_object()) {
      out_.text("{");
      fields(v, quoted_keys);
      out_.text("}");
    } else if (v.is_array()) {
      list(v, [&](const ordered_json& item) { value(item, quoted_keys); });
    } else if (v.is_null() && style_.null_as_none) {
      out_.text("None");
    } else {
      out_.text(plain(v));
    }
  }

  void fields(const ordered_json& object, bool quoted_keys) {
    auto first = true;
    for (const auto& [key, v] : sorted(object)) {
      comma(!std::exchange(first, false));
      if (quoted_keys)
        out_.quoted(key);
      else
        out_.text(key);
      out_.text(":");
      value(*v, quoted_keys);
    }
  }

  void declaration(std::string_view name, std::string_view description,
                   const ordered_json& parameters) {
    out_.text("declaration:").text(name).text("{description:").quoted(description);
    if (is_something(parameters)) {
      out_.text(",parameters:{");
      if (const auto& p = at(parameters, "properties"); is_something(p)) {
        out_.text("properties:{");
        properties(p, style_.early_commas);
        out_.text("},");
      }
      if (const auto& r = at(parameters, "required"); is_something(r)) {
        out_.text("required:");
        names(r);
        out_.text(",");
      }
      if (const auto& t = at(parameters, "type"); is_something(t)) {
        out_.text("type:").quoted(type_of(t)).text("}");
      }
    }
    out_.text("}");
  }

private:
  void comma(bool wanted) {
    if (wanted)
      out_.text(",");
  }

  template <class Item>
  void list(const ordered_json& array, Item&& item) {
    out_.text("[");
    for (auto i = std::size_t{0}; i < array.size(); ++i) {
      comma(i > 0);
      item(array[i]);
    }
    out_.text("]");
  }
  void names(const ordered_json& array) {
    if (array.is_array())
      list(array, [&](const ordered_json& item) { out_.quoted(plain(item)); });
    else
      out_.text("[]");
  }

  // The macro format_parameters. `only_others`: what a schema itself says is left out.
  void properties(const ordered_json& object, bool only_others) {
    if (!object.is_object())
      return;
    auto first = true;
    for (const auto& [key, v] : sorted(object)) {
      if (only_others && (key == "description" || key == "type" || key == "properties" ||
                          key == "required" || key == "nullable"))
        continue;
      comma(!std::exchange(first, false));
      out_.text(key).text(":{");
      if (style_.early_commas)
        early_schema(*v);
      else
        schema(*v);
      out_.text("}");
    }
  }

  void schema(const ordered_json& s) {
    auto any = false;
    const auto next = [&] { comma(std::exchange(any, true)); };
    const auto type = type_of(at(s, "type"));
    if (const auto& d = at(s, "description"); is_something(d)) {
      out_.text("description:").quoted(plain(d));
      any = true;
    }
    if (type == "STRING" && is_something(at(s, "enum"))) {
      next();
      out_.text("enum:");
      value(at(s, "enum"), true);
    }
    if (const auto& i = at(s, "items"); type == "ARRAY" && i.is_object() && !i.empty()) {
      next();
      items(i);
    }
    if (is_something(at(s, "nullable"))) {
      next();
      out_.text("nullable:true");
    }
    if (type == "OBJECT") {
      const auto& p = at(s, "properties");
      next();
      out_.text("properties:{");
      properties(p.is_object() ? p : s, !p.is_object());
      out_.text("}");
      if (is_something(at(s, "required"))) {
        next();
        out_.text("required:");
        names(at(s, "required"));
      }
    }
    next();
    out_.text("type:").quoted(type);
  }

  // The same as the first two revisions have it: commas before fields that may be the first, and
  // none before the type behind them.
  void early_schema(const ordered_json& s) {
    auto any = false;
    const auto next = [&] { comma(std::exchange(any, true)); };
    const auto type = type_of(at(s, "type"));
    if (const auto& d = at(s, "description"); is_something(d)) {
      out_.text("description:").quoted(plain(d));
      any = true;
    }
    if (is_something(at(s, "nullable"))) {
      next();
      out_.text("nullable:true");
    }
    if (type == "STRING" && is_something(at(s, "enum"))) {
      next();
      out_.text("enum:");
      value(at(s, "enum"), true);
    } else if (type == "OBJECT") {
      const auto& p = at(s, "properties");
      out_.text(",properties:{");
      properties(p.is_object() ? p : s, true);
      out_.text("}");
      if (is_something(at(s, "required"))) {
        out_.text(",required:");
        names(at(s, "required"));
      }
    } else if (const auto& i = at(s, "items"); type == "ARRAY" && i.is_object() && !i.empty()) {
      out_.text(",");
      items(i);
    }
    next();
    out_.text("type:").quoted(type);
  }

  void items(const ordered_json& s) {
    out_.text("items:{");
    auto first = true;
    for (const auto& [key, v] : sorted(s)) {
      if (v->is_null())
        continue;
      comma(!std::exchange(first, false));
      if (key == "properties") {
        out_.text("properties:{");
        properties(*v, style_.early_commas);
        out_.text("}");
      } else if (key == "required") {
        out_.text("required:");
        names(*v);
      } else if (key == "type") {
        out_.text("type:");
        if (v->is_array())
          list(*v, [&](const ordered_json& item) { out_.quoted(upper(plain(item))); });
        else
          out_.quoted(type_of(*v));
      } else {
        out_.text(key).text(":");
        value(*v, true);
      }
    }
    out_.text("}");
  }

  prompt_parts& out_;
  const tool_style& style_;
};

} // namespace

void write_declaration(prompt_parts& out, std::string_view name, std::string_view description,
                       const ordered_json& parameters, const tool_style& style) {
  out.control("<|tool>");
  writer{out, style}.declaration(name, description, parameters);
  out.control("<tool|>");
}

void write_call(prompt_parts& out, std::string_view name, const ordered_json& arguments,
                const tool_style& style) {
  out.control("<|tool_call>").text("call:").text(name).text("{");
  writer{out, style}.fields(arguments, false);
  out.text("}").control("<tool_call|>");
}

void write_response(prompt_parts& out, std::string_view name, const ordered_json& response,
                    const tool_style& style) {
  out.control("<|tool_response>").text("response:").text(name).text("{");
  auto w = writer{out, style};
  if (response.is_object()) {
    w.fields(response, false);
  } else {
    out.text("value:");
    w.value(response, false);
  }
  out.text("}").control("<tool_response|>");
}

} // namespace larql::text
