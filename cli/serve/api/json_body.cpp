#include "cli/serve/api/json_body.hpp"

#include <vector>

namespace larql::serve {

namespace {

// Schemas and tool calls nest; nothing that people send comes near it. Walks of the value recurse.
constexpr auto max_depth = std::size_t{100};

// An object keeps its fields in a list, in which each new one is looked for: fields squared, summed
// over all objects, is the work. A hundred million comparisons take about a tenth of a second.
constexpr auto max_work = std::uint64_t{100'000'000};

// Looks at brackets, commas and strings only; whether it is JSON is the parser's business.
class shape_check {
public:
  result<void> run(std::string_view text) {
    for (auto i = std::size_t{0}; i < text.size(); ++i) {
      const auto c = text[i];
      if (in_string_) {
        if (c == '\\')
          ++i;
        else if (c == '"')
          in_string_ = false;
        continue;
      }
      if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        if (fields_.size() == max_depth)
          return fail(errc::usage, "the JSON is nested deeper than {} levels", max_depth);
        fields_.push_back(0);
      } else if (c == '}' || c == ']') {
        leave();
      } else if (c == ':' && !fields_.empty()) {
        ++fields_.back();
        work_ += fields_.back();
        if (work_ > max_work)
          return fail(errc::usage, "the JSON has too many fields");
      }
    }
    return {};
  }

private:
  void leave() {
    if (!fields_.empty())
      fields_.pop_back();
  }

  std::vector<std::uint64_t> fields_; // of the objects around the current byte
  std::uint64_t work_ = 0;
  bool in_string_ = false;
};

} // namespace

result<ordered_json> parse_body(std::string_view text) {
  LARQL_TRY_VOID(shape_check{}.run(text));
  try {
    return ordered_json::parse(text);
  } catch (const ordered_json::exception& e) {
    return fail(errc::usage, "the body is not valid JSON: {}", e.what());
  }
}

std::string to_text(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace larql::serve
