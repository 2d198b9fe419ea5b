#include "cli/laptop/chat/server_answers.hpp"

#include "cli/laptop/chat/server_request.hpp"
#include "cli/laptop/chat/waiting_text.hpp"
#include "cli/laptop/event_queue.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"

#include <algorithm>
#include <thread>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto look_interval = 200ms; // how often a caller hears that nothing has come
constexpr auto nodes_interval = 1s;   // how often the server is asked which node is away
constexpr auto nodes_timeout = 1s;    // what has come is not shown before that has been answered
constexpr auto connect_timeout = 15s;
constexpr std::uint64_t max_key_bytes = 1u << 20;

// "http://host:8090/v1/" is "http://host:8090": our paths begin with /v1.
std::string base_of(std::string url) {
  if (url.find("://") == std::string::npos)
    url = "http://" + url;
  while (url.ends_with('/'))
    url.pop_back();
  if (url.ends_with("/v1"))
    url.resize(url.size() - 3);
  return url;
}

// The first line that is a key; `larql serve` has one to a line, and comments.
result<std::string> read_key(const std::filesystem::path& file) {
  LARQL_TRY(const auto text, read_text_file(file, max_key_bytes));
  auto rest = std::string_view{text};
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#')
      continue;
    line.remove_prefix(first);
    return std::string{line.substr(0, line.find_first_of(" \t\r"))};
  }
  return fail(errc::usage, "{}: there is no key in it", file.string());
}

std::string range_text(const json& node, const char* key) {
  const auto range = node.find(key);
  if (range == node.end() || !range->is_array() || range->size() != 2)
    return {};
  return fmt::format("{}-{}", (*range)[0].dump(), (*range)[1].dump());
}

std::string field(const json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

// The nodes that GET /cluster tells; none if it tells none.
json nodes_of(std::string_view body) {
  auto all = parse_json(body, "/cluster");
  if (!all || !all->is_object() || !all->contains("nodes") || !(*all)["nodes"].is_array())
    return json::array();
  auto out = json::array();
  for (auto& n : (*all)["nodes"])
    if (n.is_object())
      out.push_back(std::move(n));
  return out;
}

bool has_all_of(const json& node, const json& other, const char* key) {
  const auto range = [&](const json& n) -> std::pair<std::int64_t, std::int64_t> {
    const auto found = n.find(key);
    const auto is_range = found != n.end() && found->is_array() && found->size() == 2 &&
                          (*found)[0].is_number() && (*found)[1].is_number();
    return is_range ? std::pair{(*found)[0].get<std::int64_t>(), (*found)[1].get<std::int64_t>()}
                    : std::pair<std::int64_t, std::int64_t>{0, -1};
  };
  const auto [first, last] = range(node);
  const auto [other_first, other_last] = range(other);
  return first <= other_first && other_last <= last;
}

// "experts 8-15 of node beta": the first whose experts no node that serves has; empty if there is
// none.
std::string waited_for(const json& nodes) {
  const auto serves = [](const json& n) { return field(n, "state") == "serving"; };
  for (const auto& n : nodes) {
    const auto has_other = std::any_of(nodes.begin(), nodes.end(), [&](const json& other) {
      return serves(other) && has_all_of(other, n, "layers") && has_all_of(other, n, "experts");
    });
    if (!has_other)
      return fmt::format("experts {} of node {}{}", range_text(n, "experts"),
                         field(n, "name").empty() ? field(n, "address") : field(n, "name"),
                         field(n, "state") == "suspect" ? late_text : "");
  }
  return {};
}

generate::end_reason reason_of(const server_stream& stream, const answer_flags& flags) {
  if (stream.finish() != "length")
    return generate::end_reason::stop_token;
  return stream.numbers().tokens >= flags.max_tokens ? generate::end_reason::max_tokens
                                                     : generate::end_reason::context_full;
}

struct ended {
  hub::http_outcome outcome;
};
using arrival = std::variant<server_progress, text::output_event, ended>;

} // namespace

// ---- requests -----------------------------------------------------------------------------------

hub::http_request server_answers::request_for(std::string_view path,
                                              const std::stop_token& stop) const {
  auto out = hub::http_request{};
  out.url = base_ + std::string{path};
  out.headers = {"User-Agent: larql"};
  if (!key_.empty())
    out.headers.push_back("Authorization: Bearer " + key_);
  out.ca_file = options_.ca;
  out.connect_timeout = connect_timeout;
  out.stop = stop;
  return out;
}

failure server_answers::error_of(const hub::http_answer& a) const {
  const auto said = read_server_error(a.body);
  const auto words = said ? ": " + said->text : std::string{};
  if (a.status == 401 || a.status == 403)
    return fail(errc::usage, "{}: status {}{}{}", base_, a.status, words,
                key_.empty() ? " (--api-key-file names a file with its key)" : "");
  return fail(a.status == 503 || a.status == 429 ? errc::unavailable : errc::io, "{}: status {}{}",
              base_, a.status, words);
}

result<std::string> server_answers::get(std::string_view path, const std::stop_token& stop) {
  auto got = questions_.perform(request_for(path, stop));
  if (got.error)
    return *std::move(got.error);
  if (!got.answer.ok())
    return error_of(got.answer);
  return std::move(got.answer.body);
}

result<std::unique_ptr<server_answers>> server_answers::connect(const server_options& o,
                                                                const std::stop_token& stop) {
  auto out = std::unique_ptr<server_answers>{new server_answers};
  out->options_ = o;
  out->base_ = base_of(o.url);
  if (!o.api_key_file.empty()) {
    LARQL_TRY(out->key_, read_key(o.api_key_file));
  }
  LARQL_TRY(const auto models, out->get("/v1/models", stop));
  const auto all = parse_json(models, out->base_ + "/v1/models");
  if (!all || !all->is_object() || !all->contains("data") || !(*all)["data"].is_array())
    return fail(errc::mismatch, "{}: is no server of OpenAI's API: /v1/models has no list",
                out->base_);
  for (const auto& m : (*all)["data"])
    if (m.is_object() && out->model_.empty())
      out->model_ = field(m, "id");
  out->ask_props(stop);
  return out;
}

// Not every server has them.
void server_answers::ask_props(const std::stop_token& stop) {
  const auto body = get("/props", stop);
  const auto all = body ? parse_json(*body, "/props") : result<json>{json{}};
  if (!all || !all->is_object())
    return;
  const auto settings = all->find("default_generation_settings");
  if (settings == all->end() || !settings->is_object())
    return;
  const auto fields = json_fields{*settings, "/props"};
  if (const auto context = fields.unsigned_integer("n_ctx", 1u << 30))
    context_ = *context;
}

// ---- answers ------------------------------------------------------------------------------------

// The transfer has a thread of its own, so that what is shown never waits for the network.
turn_end server_answers::answer(const chat_turn& turn, const answer_flags& flags,
                                const turn_events& events, const std::stop_token& stop) {
  auto came = event_queue<arrival>{};
  auto stream = server_stream{}; // of the transfer's thread until it has ended
  auto receiver = std::jthread{[&] {
    auto request = request_for("/v1/chat/completions", stop);
    request.method = "POST";
    request.headers.push_back("Content-Type: application/json");
    request.body = server_request(turn, flags, model_);
    request.on_body = [&](std::span<const std::byte> bytes) -> result<void> {
      LARQL_TRY(auto told, stream.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
      for (auto& e : told)
        std::visit([&](auto& x) { came.push(std::move(x)); }, e);
      return {};
    };
    came.push(ended{answers_.perform(request)});
  }};
  auto out = turn_end{};
  auto outcome = std::optional<hub::http_outcome>{};
  while (!outcome) {
    auto now = came.wait({}, look_interval);
    if (now.empty() && !stop.stop_requested()) {
      look_at_nodes(stop);
      events.on_wait(waited_for_);
    }
    for (auto& e : now) {
      if (const auto* progress = std::get_if<server_progress>(&e)) {
        events.on_read(progress->read, progress->total);
      } else if (auto* done = std::get_if<ended>(&e)) {
        outcome = std::move(done->outcome);
      } else if (const auto& said = std::get<text::output_event>(e); true) {
        auto& to = said.what == text::output_event::kind::thought ? out.thoughts : out.text;
        to += said.text;
        events.on_output(said);
      }
    }
  }
  receiver.join();
  out.numbers = stream.numbers();
  last_ = out.numbers;
  if (outcome->error && stop.stop_requested()) {
    out.reason = generate::end_reason::stopped;
  } else if (outcome->error) {
    out.failed = std::move(outcome->error);
  } else if (!outcome->answer.ok()) {
    const auto said = read_server_error(outcome->answer.body);
    out.too_long = said && said->too_long;
    out.failed = error_of(outcome->answer);
  } else if (stream.error()) {
    out.too_long = stream.error()->too_long;
    out.failed = fail(errc::unavailable, "{}: {}", base_, stream.error()->text);
  } else if (!stream.is_done()) {
    out.failed = fail(errc::unavailable, "{}: the answer ends in the middle", base_);
  } else {
    out.reason = reason_of(stream, flags);
  }
  return out;
}

// Which node the server is without, asked now and then. A server may be silent here too.
void server_answers::look_at_nodes(const std::stop_token& stop) {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < nodes_interval)
    return;
  looked_ = now;
  waited_for_.clear();
  auto request = request_for("/cluster", stop);
  request.connect_timeout = nodes_timeout;
  request.stall_timeout = nodes_timeout;
  const auto got = questions_.perform(request);
  if (got.error || !got.answer.ok())
    return;
  waited_for_ = waited_for(nodes_of(got.answer.body));
}

result<std::optional<prompt_size>> server_answers::measure(const chat_turn&, const answer_flags&) {
  return std::optional<prompt_size>{};
}

std::string server_answers::model() const {
  return fmt::format("{} at {}", model_.empty() ? "a model" : model_, base_);
}

std::string server_answers::nodes_text() {
  const auto body = get("/cluster", {});
  if (!body)
    return fmt::format("{} says nothing about nodes\n", base_);
  const auto nodes = nodes_of(*body);
  if (nodes.empty())
    return fmt::format("all experts are on the machine of {}\n", base_);
  auto t = table{{"NODE", "ADDRESS", "STATE", "EXPERTS", "LAYERS"}};
  for (const auto& n : nodes)
    t.add({field(n, "name"), field(n, "address"), field(n, "state"), range_text(n, "experts"),
           range_text(n, "layers")});
  return t.text();
}

void server_answers::say_stats() const {
  report_line("{}", timing_text(last_));
  report_line("prompt: {} tokens, {} of them read now", last_.prompt_tokens, last_.read_tokens);
  if (context_ != 0)
    report_line("context: {} tokens", context_);
}

result<std::optional<std::size_t>> server_answers::save(const std::vector<text::chat_message>&,
                                                        const answer_flags&,
                                                        const std::filesystem::path&) {
  return std::optional<std::size_t>{};
}

result<std::optional<std::size_t>> server_answers::load(const std::filesystem::path&) {
  return std::optional<std::size_t>{};
}

} // namespace larql::cli
