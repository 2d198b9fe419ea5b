#include "runtime/grammar/schema_document.hpp"

#include "runtime/grammar/schema_merge.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>

namespace larql::grammar {

namespace {

bool index_of(const std::string& key, std::size_t& out) {
  if (key.empty() || key.size() > 6 || key.find_first_not_of("0123456789") != std::string::npos)
    return false;
  out = std::stoul(key);
  return true;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  auto out = std::string{};
  auto done = std::size_t{0};
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  out.append(text, done);
  text = std::move(out);
}

// %20 and the like.
std::string unescaped(const std::string& text) {
  auto out = std::string{};
  for (auto i = std::size_t{0}; i < text.size(); ++i) {
    const auto hex = [&](std::size_t at) {
      return at < text.size() ? std::string_view{"0123456789abcdefABCDEF"}.find(text[at])
                              : std::string_view::npos;
    };
    const auto high = hex(i + 1), low = hex(i + 2);
    if (text[i] == '%' && high != std::string_view::npos && low != std::string_view::npos) {
      const auto value = [](std::size_t at) { return at < 16 ? at : at - 6; };
      out += static_cast<char>(value(high) * 16 + value(low));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

} // namespace

result<const ordered_json*> schema_document::resolved(const ordered_json& schema,
                                                      const std::string& where) {
  const auto* s = &schema;
  for (auto steps = 0; s->is_object() && s->contains("$ref"); ++steps) {
    if (steps >= max_levels)
      return wrong(errc::unsupported, where,
                   fmt::format("a $ref that leads to {} others", max_levels));
    LARQL_TRY(const ordered_json* target, referred((*s)["$ref"], where));
    const auto alone = std::all_of(s->items().begin(), s->items().end(), [](const auto& f) {
      return f.key() == "$ref" || is_annotation(f.key());
    });
    if (alone) {
      s = target;
      continue;
    }
    if (!target->is_object())
      return wrong(errc::unsupported, where, "keywords beside a $ref to no object");
    auto rest = *s, target_alone = *target;
    rest.erase("$ref");
    target_alone.erase("$ref");
    LARQL_TRY(auto joined, merged(target_alone, rest, where));
    if (target->contains("$ref"))
      joined["$ref"] = (*target)["$ref"];
    s = &keep(std::move(joined));
  }
  return s;
}

result<const ordered_json*> schema_document::referred(const ordered_json& reference,
                                                      const std::string& where) const {
  if (!reference.is_string() || !reference.get_ref<const std::string&>().starts_with('#'))
    return wrong(
        errc::unsupported, where,
        fmt::format("a $ref to {}, expected one within the schema",
                    text::in_quotes(reference.is_string() ? reference.get<std::string>() : "?")));
  const auto path = unescaped(reference.get<std::string>().substr(1));
  const auto* at = &root_;
  for (auto rest = std::string_view{path}; !rest.empty();) {
    if (rest[0] != '/')
      return wrong(errc::unsupported, where, "a $ref to an anchor");
    rest.remove_prefix(1);
    auto key = std::string{rest.substr(0, rest.find('/'))};
    rest.remove_prefix(key.size());
    replace_all(key, "~1", "/");
    replace_all(key, "~0", "~");
    if (at->is_object() && at->contains(key)) {
      at = &(*at)[key];
    } else if (auto i = std::size_t{0}; at->is_array() && index_of(key, i) && i < at->size()) {
      at = &(*at)[i];
    } else {
      return wrong(errc::usage, where,
                   fmt::format("a $ref to {}, which is not there",
                               text::in_quotes(reference.get<std::string>())));
    }
  }
  return at;
}

result<ordered_json> schema_document::merged(const ordered_json& a, const ordered_json& b,
                                             const std::string& where) {
  const auto fields = [](const ordered_json& schema) {
    const auto it = schema.find("properties");
    return it == schema.end() ? 0 : it->size();
  };
  work_ += bytes_ + fields(a) * fields(b);
  if (work_ > max_work)
    return wrong(errc::unsupported, where, "too many schemas to be joined");
  auto out = merge_schemas(a, b);
  if (!out)
    return wrong(errc::unsupported, where, fmt::format("{} cannot be joined", out.error().text));
  return out;
}

} // namespace larql::grammar
