#include "cli/laptop/chat/server_stream.hpp"

#include "runtime/base/json.hpp"

#include <charconv>

namespace larql::cli {

namespace {

constexpr std::size_t most_line_bytes = 16u << 20;

// The text of a field, empty if there is none.
std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

double number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::uint64_t count_of(const json& object, const char* key) {
  const auto x = number_of(object, key);
  return x > 0 && x < 1e18 ? static_cast<std::uint64_t>(x) : 0;
}

server_error error_of(const json& error) {
  auto out = server_error{};
  if (!error.is_object()) {
    out.text = error.is_string() ? error.get<std::string>() : error.dump();
    return out;
  }
  out.text = text_of(error, "message");
  out.too_long = text_of(error, "code") == "context_length_exceeded" ||
                 text_of(error, "type") == "exceed_context_size_error";
  return out;
}

void take_usage(const json& usage, turn_numbers& to) {
  to.prompt_tokens = count_of(usage, "prompt_tokens");
  to.tokens = count_of(usage, "completion_tokens");
  auto cached = std::uint64_t{0};
  if (const auto d = usage.find("prompt_tokens_details"); d != usage.end() && d->is_object())
    cached = count_of(*d, "cached_tokens");
  to.read_tokens = to.prompt_tokens - std::min<std::uint64_t>(cached, to.prompt_tokens);
}

void take_timings(const json& t, turn_numbers& to) {
  if (const auto n = count_of(t, "predicted_n"); n != 0)
    to.tokens = n;
  if (to.tokens > 1) // of a single token there is no time between tokens
    to.tokens_per_second = number_of(t, "predicted_per_second");
  to.read_tokens = count_of(t, "prompt_n");
  to.read_seconds = number_of(t, "prompt_ms") / 1000;
  to.nodes = static_cast<std::uint32_t>(std::min<std::uint64_t>(count_of(t, "nodes"), ~0u));
  to.round_trips = count_of(t, "round_trips");
  to.sent_bytes = count_of(t, "sent_bytes");
  to.received_bytes = count_of(t, "received_bytes");
  if (t.contains("draft_n"))
    to.drafts = draft_numbers{count_of(t, "draft_n"), count_of(t, "draft_n_accepted")};
}

// ": 512 of 4096 prompt tokens"
std::optional<server_progress> progress_of(std::string_view comment) {
  auto out = server_progress{};
  const auto take = [&](std::string_view before, std::size_t& to) {
    if (!comment.starts_with(before))
      return false;
    comment.remove_prefix(before.size());
    const auto [end, error] = std::from_chars(comment.data(), comment.data() + comment.size(), to);
    comment.remove_prefix(static_cast<std::size_t>(end - comment.data()));
    return error == std::errc{};
  };
  if (take(": ", out.read) && take(" of ", out.total) && comment == " prompt tokens")
    return out;
  return std::nullopt;
}

} // namespace

std::optional<server_error> read_server_error(std::string_view body) {
  const auto all = parse_json(body, "the answer");
  if (!all || !all->is_object())
    return std::nullopt;
  const auto found = all->find("error");
  if (found == all->end() || found->is_null())
    return std::nullopt;
  return error_of(*found);
}

result<std::vector<server_event>> server_stream::add(std::string_view bytes) {
  auto out = std::vector<server_event>{};
  while (!bytes.empty() && !done_) {
    const auto end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > most_line_bytes)
      return fail(errc::corrupt, "the server sends a line of more than {} bytes", most_line_bytes);
    if (end == std::string_view::npos)
      break;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r'))
      line_.pop_back();
    const auto line = std::exchange(line_, {});
    LARQL_TRY_VOID(take_line(line, out));
  }
  return out;
}

result<void> server_stream::take_line(std::string_view line, std::vector<server_event>& out) {
  if (const auto progress = progress_of(line)) {
    out.emplace_back(*progress);
    return {};
  }
  constexpr std::string_view data = "data:";
  if (!line.starts_with(data))
    return {};
  line.remove_prefix(data.size());
  if (line.starts_with(' '))
    line.remove_prefix(1);
  if (line == "[DONE]") {
    done_ = true;
    return {};
  }
  return take_data(line, out);
}

result<void> server_stream::take_data(std::string_view data, std::vector<server_event>& out) {
  LARQL_TRY(const auto chunk, parse_json(data, "the server's stream"));
  if (!chunk.is_object())
    return fail(errc::corrupt, "the server's stream: expected objects");
  if (const auto error = chunk.find("error"); error != chunk.end() && !error->is_null()) {
    error_ = error_of(*error);
    done_ = true;
    return {};
  }
  if (const auto usage = chunk.find("usage"); usage != chunk.end() && usage->is_object())
    take_usage(*usage, numbers_);
  if (const auto timings = chunk.find("timings"); timings != chunk.end() && timings->is_object())
    take_timings(*timings, numbers_);
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || !choices->is_array() || choices->empty() ||
      !choices->front().is_object())
    return {};
  const auto& choice = choices->front();
  if (auto finish = text_of(choice, "finish_reason"); !finish.empty())
    finish_ = std::move(finish);
  const auto delta = choice.find("delta");
  if (delta == choice.end() || !delta->is_object())
    return {};
  using kind = text::output_event::kind;
  if (auto thought = text_of(*delta, "reasoning_content"); !thought.empty())
    out.emplace_back(text::output_event{kind::thought, std::move(thought)});
  if (auto text = text_of(*delta, "content"); !text.empty())
    out.emplace_back(text::output_event{kind::content, std::move(text)});
  return {};
}

} // namespace larql::cli
