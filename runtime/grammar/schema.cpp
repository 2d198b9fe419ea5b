#include "runtime/grammar/schema.hpp"

#include "runtime/grammar/schema_document.hpp"
#include "runtime/grammar/schema_leaves.hpp"
#include "runtime/grammar/schema_merge.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace larql::grammar {

namespace {

constexpr std::array<std::string_view, 24> known_keywords = {"type",
                                                             "enum",
                                                             "const",
                                                             "properties",
                                                             "required",
                                                             "additionalProperties",
                                                             "items",
                                                             "prefixItems",
                                                             "minItems",
                                                             "maxItems",
                                                             "minLength",
                                                             "maxLength",
                                                             "pattern",
                                                             "format",
                                                             "minimum",
                                                             "maximum",
                                                             "exclusiveMinimum",
                                                             "exclusiveMaximum",
                                                             "multipleOf",
                                                             "anyOf",
                                                             "oneOf",
                                                             "allOf",
                                                             "$ref",
                                                             "nullable"};

class compiler {
public:
  compiler(value_forms& forms, const ordered_json& root, std::size_t bytes, std::string_view name)
      : forms_(forms), net_(forms.net()), document_(root, bytes, name) {}

  /// The automaton of a schema, to be called.
  result<node_id> rule(const ordered_json& schema, const std::string& where) {
    if (const auto it = rules_.find(&schema); it != rules_.end())
      return it->second;
    const auto start = net_.step();
    rules_.emplace(&schema, start); // it may call itself
    LARQL_TRY(const auto body, compile(schema, where));
    net_.free(start, body);
    return start;
  }

private:
  template <class... Args>
  [[nodiscard]] failure wrong(errc code, const std::string& where,
                              fmt::format_string<Args...> format, Args&&... args) const {
    return document_.wrong(code, where, fmt::format(format, std::forward<Args>(args)...));
  }

  // An error that does not know its place.
  template <class T>
  [[nodiscard]] result<T> placed(result<T> r, const std::string& where) const {
    if (!r)
      return document_.wrong(r.error().code, where, r.error().text);
    return r;
  }

  [[nodiscard]] static bool has(const ordered_json& schema, const char* key) {
    return schema.contains(key);
  }

  result<node_id> compile(const ordered_json& schema, const std::string& where) {
    if (level_ >= schema_document::max_levels)
      return wrong(errc::unsupported, where, "schemas within {} schemas",
                   schema_document::max_levels);
    ++level_;
    auto out = compile_one(schema, where);
    --level_;
    return out;
  }

  result<node_id> compile_one(const ordered_json& schema, const std::string& where) {
    if (schema.is_boolean())
      return schema.get<bool>() ? forms_.any_value() : net_.step();
    if (!schema.is_object())
      return wrong(errc::usage, where, "expected a schema, found {}", schema.type_name());
    LARQL_TRY_VOID(check_keywords(schema, where));
    if (has(schema, "$ref"))
      return reference(schema, where);
    if (has(schema, "allOf"))
      return all_of(schema, where);
    for (const auto* key : {"anyOf", "oneOf"})
      if (has(schema, key))
        return any_of(schema, key, where);
    if (const auto it = schema.find("nullable"); it != schema.end()) {
      const auto nullable = it->is_boolean() && it->get<bool>();
      auto rest = schema;
      rest.erase("nullable");
      LARQL_TRY(const auto start, compile(document_.keep(std::move(rest)), where));
      return nullable ? net_.optional(start, net_.bytes("null", net_.end())) : start;
    }
    if (has(schema, "enum") || has(schema, "const"))
      return placed(add_named_values(forms_, schema), where);
    return typed(schema, where);
  }

  result<void> check_keywords(const ordered_json& schema, const std::string& where) const {
    for (const auto& [key, value] : schema.items()) {
      const auto known =
          std::find(known_keywords.begin(), known_keywords.end(), key) != known_keywords.end() ||
          is_annotation(key) || (key == "uniqueItems" && value == false) ||
          (key == "minProperties" && value == 0);
      if (!known)
        return wrong(errc::unsupported, where, "keyword {} is not supported", text::in_quotes(key));
    }
    return {};
  }

  // ---- schemas made of others -------------------------------------------------------------------

  result<node_id> reference(const ordered_json& schema, const std::string& where) {
    LARQL_TRY(const ordered_json* target, document_.resolved(schema, where));
    LARQL_TRY(const auto callee, rule(*target, where));
    return net_.call(callee, net_.end());
  }

  result<node_id> all_of(const ordered_json& schema, const std::string& where) {
    const auto& parts = schema["allOf"];
    if (!parts.is_array() || parts.empty())
      return wrong(errc::usage, where, "allOf is no list of schemas");
    auto joined = schema;
    joined.erase("allOf");
    for (const auto& part : parts) {
      LARQL_TRY(const ordered_json* p, document_.resolved(part, where));
      if (!p->is_object())
        return wrong(errc::unsupported, where, "allOf of {}", p->type_name());
      LARQL_TRY_VOID(check_keywords(*p, where));
      LARQL_TRY(joined, document_.merged(joined, *p, where));
    }
    return compile(document_.keep(std::move(joined)), where);
  }

  result<node_id> any_of(const ordered_json& schema, const char* key, const std::string& where) {
    const auto& parts = schema[key];
    if (!parts.is_array() || parts.empty())
      return wrong(errc::usage, where, "{} is no list of schemas", key);
    auto base = schema;
    base.erase(key);
    const auto alone = std::all_of(base.items().begin(), base.items().end(),
                                   [](const auto& f) { return is_annotation(f.key()); });
    if (std::string_view{key} == "oneOf") {
      LARQL_TRY_VOID(check_exclusive(parts, where));
    }
    auto starts = std::vector<node_id>{};
    for (auto i = std::size_t{0}; i < parts.size(); ++i) {
      const auto place = fmt::format("{}/{}/{}", where, key, i);
      const auto* part = &parts[i];
      if (!alone) {
        LARQL_TRY(const ordered_json* p, document_.resolved(*part, place));
        if (!p->is_object())
          return wrong(errc::unsupported, place, "{} beside keywords", p->type_name());
        LARQL_TRY(auto joined, document_.merged(base, *p, place));
        part = &document_.keep(std::move(joined));
      }
      LARQL_TRY(const auto callee, rule(*part, place));
      starts.push_back(net_.call(callee, net_.end()));
    }
    return net_.any_of(starts);
  }

  result<void> check_exclusive(const ordered_json& parts, const std::string& where) {
    if (parts.size() > 100)
      return wrong(errc::unsupported, where, "oneOf of {} schemas", parts.size());
    auto schemas = std::vector<const ordered_json*>{};
    for (const auto& part : parts) {
      LARQL_TRY(const ordered_json* p, document_.resolved(part, where));
      schemas.push_back(p);
    }
    for (auto i = std::size_t{0}; i < schemas.size(); ++i)
      for (auto k = std::size_t{0}; k < i; ++k)
        if (!schemas[i]->is_object() || !schemas[k]->is_object() ||
            !exclude_each_other(*schemas[k], *schemas[i]))
          return wrong(errc::unsupported, where,
                       "oneOf, whose alternatives {} and {} may both match, is not supported: "
                       "anyOf is",
                       k, i);
    return {};
  }

  // ---- values -----------------------------------------------------------------------------------

  result<node_id> typed(const ordered_json& schema, const std::string& where) {
    const auto types = types_of(schema);
    if (types.empty() && has(schema, "type"))
      return wrong(errc::usage, where, "type is no type of JSON and no list of them");
    if (types.empty())
      return forms_.any_value();
    auto starts = std::vector<node_id>{};
    for (const auto& type : types) {
      LARQL_TRY(const auto start, of_type(type, schema, where));
      starts.push_back(start);
    }
    return net_.any_of(starts);
  }

  result<node_id> of_type(const std::string& type, const ordered_json& schema,
                          const std::string& where) {
    if (type == "object")
      return object(schema, where);
    if (type == "array")
      return array(schema, where);
    if (type == "string")
      return placed(add_string_schema(forms_, schema), where);
    if (type == "number" || type == "integer")
      return placed(add_number_schema(forms_, schema, type == "integer"), where);
    if (type == "boolean")
      return net_.optional(net_.bytes("true", net_.end()), net_.bytes("false", net_.end()));
    if (type == "null")
      return net_.bytes("null", net_.end());
    return wrong(errc::usage, where, "type is {}, expected a type of JSON", text::in_quotes(type));
  }

  result<node_id> array(const ordered_json& schema, const std::string& where) {
    auto items = value_forms::array_items{};
    LARQL_TRY(const auto min, placed(count_in(schema, "minItems", 0), where));
    LARQL_TRY(const auto max, placed(count_in(schema, "maxItems", unbounded), where));
    if (has(schema, "prefixItems")) {
      if (!schema["prefixItems"].is_array())
        return wrong(errc::usage, where, "prefixItems is no list");
      for (auto i = std::size_t{0}; i < schema["prefixItems"].size(); ++i) {
        LARQL_TRY(const auto callee,
                  rule(schema["prefixItems"][i], fmt::format("{}/prefixItems/{}", where, i)));
        items.first.push_back(callee);
      }
    }
    const auto first = static_cast<std::uint32_t>(items.first.size());
    if (max < first)
      return wrong(errc::unsupported, where, "maxItems below the number of prefixItems");
    if (has(schema, "items")) {
      if (schema["items"].is_array())
        return wrong(errc::unsupported, where, "items as a list: prefixItems is supported");
      if (schema["items"] != false) {
        LARQL_TRY(items.item, rule(schema["items"], where + "/items"));
      }
    } else if (first == 0) {
      items.item = forms_.any_value();
    }
    items.min = min > first ? min - first : 0;
    items.max = max == unbounded ? max : max - first;
    items.may_be_empty = min == 0;
    return forms_.array(items, net_.end());
  }

  // ---- objects ----------------------------------------------------------------------------------

  struct field {
    std::string name;
    node_id callee;
    bool required;
  };

  result<std::vector<field>> fields_of(const ordered_json& schema, const std::string& where) {
    static const auto none = ordered_json::object();
    const auto& properties = has(schema, "properties") ? schema["properties"] : none;
    if (!properties.is_object())
      return wrong(errc::usage, where, "properties is no object");
    auto names = std::vector<std::string>{};
    for (const auto& [name, value] : properties.items())
      names.push_back(name);
    auto required = std::vector<std::string>{};
    if (has(schema, "required")) {
      if (!schema["required"].is_array())
        return wrong(errc::usage, where, "required is no list");
      for (const auto& name : schema["required"]) {
        if (!name.is_string())
          return wrong(errc::usage, where, "required is no list of names");
        required.push_back(name.get<std::string>());
        if (std::find(names.begin(), names.end(), required.back()) == names.end())
          names.push_back(required.back());
      }
    }
    put_in_order(names, forms_.style());
    std::sort(required.begin(), required.end());
    auto out = std::vector<field>{};
    for (const auto& name : names) {
      if (forms_.style() == value_style::call &&
          (name.empty() || name.find_first_of(":,{}[]\"< \n\t") != std::string::npos))
        return wrong(errc::unsupported, where, "a parameter with the name {}",
                     text::in_quotes(name));
      auto callee = std::optional<node_id>{};
      if (properties.contains(name)) {
        LARQL_TRY(callee, rule(properties[name], fmt::format("{}/properties/{}", where, name)));
      } else if (!has(schema, "additionalProperties")) {
        callee = forms_.any_value();
      } else {
        LARQL_TRY(callee, rule(schema["additionalProperties"], where + "/additionalProperties"));
      }
      out.push_back({name, *callee, std::binary_search(required.begin(), required.end(), name)});
    }
    return out;
  }

  // The automaton of fields that are not declared, if there may be any.
  result<std::optional<node_id>> others_of(const ordered_json& schema, bool any_declared,
                                           const std::string& where) {
    if (!has(schema, "additionalProperties"))
      return any_declared ? std::nullopt : std::optional{forms_.any_value()};
    const auto& others = schema["additionalProperties"];
    if (others == false)
      return std::optional<node_id>{};
    LARQL_TRY(const auto callee, rule(others, where + "/additionalProperties"));
    return std::optional{callee};
  }

  // Fields in their order; those that are not required may be left out.
  result<node_id> object(const ordered_json& schema, const std::string& where) {
    LARQL_TRY(const auto fields, fields_of(schema, where));
    LARQL_TRY(const auto others, others_of(schema, !fields.empty(), where));
    if (fields.empty() && others == forms_.any_value())
      return forms_.any_object();
    const auto close = net_.bytes("}", net_.end());
    const auto spaced_close = forms_.space(close);
    // At each place: what may come first, what may come behind a comma, and behind a value.
    auto first = net_.step(), next = net_.step(), behind = net_.step();
    net_.free(first, close);
    net_.free(behind, spaced_close);
    if (others) {
      auto names = std::vector<std::string>{};
      for (const auto& f : fields)
        names.push_back(f.name);
      const auto key = forms_.other_key(names, net_.call(*others, behind));
      net_.free(first, key);
      net_.free(next, key);
      net_.free(behind, forms_.comma(next));
    }
    for (auto i = fields.size(); i-- > 0;) {
      const auto& f = fields[i];
      const auto key = forms_.key(f.name, net_.call(f.callee, behind));
      const auto first_here = net_.step(), next_here = net_.step(), behind_here = net_.step();
      net_.free(first_here, key);
      net_.free(next_here, key);
      net_.free(behind_here, forms_.comma(next_here));
      if (!f.required) {
        net_.free(first_here, first);
        net_.free(next_here, next);
        // The object may end here if nothing that comes is required.
        const auto rest_is_optional =
            std::none_of(fields.begin() + static_cast<std::ptrdiff_t>(i), fields.end(),
                         [](const field& g) { return g.required; });
        if (rest_is_optional)
          net_.free(behind_here, spaced_close);
      }
      first = first_here;
      next = next_here;
      behind = behind_here;
    }
    return net_.bytes("{", forms_.space(first));
  }

  value_forms& forms_;
  network_builder& net_;
  schema_document document_;
  std::unordered_map<const ordered_json*, node_id> rules_;
  int level_ = 0;
};

} // namespace

result<node_id> add_schema(value_forms& forms, std::string_view schema, std::string_view name) {
  if (schema.size() > max_schema_bytes)
    return fail(errc::unsupported, "{}: {} bytes, expected at most {}", name, schema.size(),
                max_schema_bytes);
  const auto root = parse_ordered_json(schema, name);
  if (!root)
    return failure{errc::usage, root.error().text};
  return compiler{forms, *root, schema.size(), name}.rule(*root, "#");
}

} // namespace larql::grammar
