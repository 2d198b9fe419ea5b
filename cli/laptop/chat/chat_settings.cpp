#include "cli/laptop/chat/chat_settings.hpp"

#include "runtime/base/nearest_word.hpp"

#include <algorithm>
#include <charconv>

namespace larql::cli {

namespace {

template <class T>
result<void> read_number(std::string_view name, std::string_view text, T& to) {
  auto value = T{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(errc::usage, "{} is \"{}\", expected {}", name, text,
                std::is_floating_point_v<T> ? "a number" : "a whole number");
  to = value;
  return {};
}

// "model" leaves it to the model's defaults.
template <class T>
result<void> read_number(std::string_view name, std::string_view text, std::optional<T>& to) {
  auto value = T{};
  if (text == "model") {
    to.reset();
    return {};
  }
  LARQL_TRY_VOID(read_number(name, text, value));
  to = value;
  return {};
}

result<void> read_limit(std::string_view name, std::string_view text, std::size_t& to) {
  if (text == "none" || text == "-1") {
    to = answer_flags::no_limit;
    return {};
  }
  return read_number(name, text, to);
}

// A stop text more, or none at all.
result<void> read_stop(std::string_view, std::string_view text, std::vector<std::string>& to) {
  if (text == "none")
    to.clear();
  else
    to.emplace_back(text);
  return {};
}

template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "model";
}

struct setting {
  std::string_view name;
  result<void> (*read)(answer_flags&, std::string_view name, std::string_view value);
  std::string (*show)(const answer_flags&);
};

constexpr setting settings[] = {
    {"temperature",
     [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.temperature); },
     [](auto& f) { return fmt::format("{}", f.sampling.temperature); }},
    {"top-k", [](auto& f, auto n, auto v) { return read_number(n, v, f.top_k); },
     [](auto& f) { return text_of(f.top_k); }},
    {"top-p", [](auto& f, auto n, auto v) { return read_number(n, v, f.top_p); },
     [](auto& f) { return text_of(f.top_p); }},
    {"min-p", [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.min_p); },
     [](auto& f) { return fmt::format("{}", f.sampling.min_p); }},
    {"seed", [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.seed); },
     [](auto& f) { return fmt::format("{}", f.sampling.seed); }},
    {"repetition-penalty",
     [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.repetition_penalty); },
     [](auto& f) { return fmt::format("{}", f.sampling.repetition_penalty); }},
    {"presence-penalty",
     [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.presence_penalty); },
     [](auto& f) { return fmt::format("{}", f.sampling.presence_penalty); }},
    {"frequency-penalty",
     [](auto& f, auto n, auto v) { return read_number(n, v, f.sampling.frequency_penalty); },
     [](auto& f) { return fmt::format("{}", f.sampling.frequency_penalty); }},
    {"max-tokens", [](auto& f, auto n, auto v) { return read_limit(n, v, f.max_tokens); },
     [](auto& f) {
       return f.max_tokens == answer_flags::no_limit ? std::string{"none"}
                                                     : fmt::format("{}", f.max_tokens);
     }},
    {"stop", [](auto& f, auto n, auto v) { return read_stop(n, v, f.stop); },
     [](auto& f) {
       return f.stop.empty() ? std::string{"none"} : fmt::format("{}", fmt::join(f.stop, " | "));
     }},
};

} // namespace

result<void> set_option(answer_flags& flags, std::string_view name, std::string_view value) {
  if (name.starts_with("--"))
    name.remove_prefix(2);
  auto known = std::vector<std::string_view>{};
  for (const auto& s : settings) {
    if (s.name == name) {
      if (value.empty())
        return fail(errc::usage, "/set {} wants a value", name);
      auto changed = flags;
      LARQL_TRY_VOID(s.read(changed, name, value));
      auto check = changed.sampling;
      check.top_p = changed.top_p.value_or(1.0f);
      LARQL_TRY_VOID(generate::check_options(check));
      if (changed.max_tokens == 0)
        return fail(errc::usage, "max-tokens is 0, expected 1 or more, or none");
      flags = std::move(changed);
      return {};
    }
    known.push_back(s.name);
  }
  const auto meant = nearest_word(name, known);
  return fail(errc::usage, "there is no setting {}{}", name,
              meant.empty() ? "; /set shows all" : fmt::format(", did you mean {}?", meant));
}

std::string settings_text(const answer_flags& flags) {
  auto out = std::string{};
  for (const auto& s : settings)
    out += fmt::format("  {:<20} {}\n", s.name, s.show(flags));
  return out;
}

} // namespace larql::cli
