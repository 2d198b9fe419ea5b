#include "cli/serve/api/content_fields.hpp"

#include <array>
#include <string_view>

namespace larql::serve {

namespace {

// Parts of text by protocol: OpenAI's chat and its responses, and Anthropic's.
constexpr auto text_types = std::array<std::string_view, 5>{"text", "input_text", "output_text",
                                                            "summary_text", "reasoning_text"};

// Refused with a word on what the model cannot take, so that a client can tell its user.
struct refused_type {
  std::string_view type;
  std::string_view what;
};
constexpr auto refused_types = std::array<refused_type, 9>{{{"image_url", "images"},
                                                            {"input_image", "images"},
                                                            {"image", "images"},
                                                            {"input_audio", "audio"},
                                                            {"audio", "audio"},
                                                            {"video_url", "videos"},
                                                            {"file", "files"},
                                                            {"input_file", "files"},
                                                            {"document", "documents"}}};

} // namespace

std::optional<std::string> read_text_part(field_reader& part) {
  auto type = std::string{};
  if (!part.text("type", type)) {
    part.wrong("type", "is missing");
    return std::nullopt;
  }
  for (const auto& [refused, what] : refused_types)
    if (type == refused) {
      part.wrong("type", fmt::format("this model does not take {}", what), error_kind::unsupported);
      return std::nullopt;
    }
  auto out = std::string{};
  if (type == "refusal") {
    part.text("refusal", out);
    return out;
  }
  for (const auto text_type : text_types)
    if (type == text_type) {
      if (!part.text("text", out) && !part.failed())
        part.wrong("text", "is missing");
      return out;
    }
  part.wrong("type", fmt::format("{} is not a type of content that this server knows",
                                 brief(ordered_json(type))));
  return std::nullopt;
}

std::vector<std::string> read_texts(field_reader& fields, const char* key) {
  const auto* content = fields.find(key);
  if (content == nullptr)
    return {};
  if (content->is_string())
    return {content->get<std::string>()};
  auto out = std::vector<std::string>{};
  if (!content->is_array()) {
    fields.wrong(key, fmt::format("expected a text or a list of parts, found {}", brief(*content)));
    return out;
  }
  for (auto i = std::size_t{0}; i < content->size(); ++i) {
    const auto& element = (*content)[i];
    if (element.is_string()) { // as some clients send it
      out.push_back(element.get<std::string>());
      continue;
    }
    auto part = fields.element(element, key, i);
    if (auto text = read_text_part(part))
      out.push_back(*std::move(text));
  }
  return out;
}

std::string join_texts(const std::vector<std::string>& texts) {
  auto out = std::string{};
  for (const auto& text : texts)
    out += text;
  return out;
}

} // namespace larql::serve
