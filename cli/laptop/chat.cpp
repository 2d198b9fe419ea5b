// larql chat: a conversation, with the model in this process or with a server.

#include "cli/laptop/chat/chat_loop.hpp"
#include "cli/laptop/chat/local_answers.hpp"
#include "cli/laptop/chat/server_answers.hpp"
#include "cli/laptop/chat_model.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/line_reader.hpp"

#include <cstdlib>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

struct options {
  runtime_options runtime;
  answer_flags answer;
  server_options server;
  bool no_history = false;
};

// $XDG_STATE_HOME/larql/chat_history
fs::path history_file() {
  const auto* state = std::getenv("XDG_STATE_HOME");
  const auto* home = std::getenv("HOME");
  if (state != nullptr && *state != '\0')
    return fs::path{state} / "larql" / "chat_history";
  return home == nullptr ? fs::path{} : fs::path{home} / ".local/state/larql/chat_history";
}

int talk(chat_answers& answers, const options& o, interrupt_scope& signals) {
  auto lines = line_reader{o.no_history ? fs::path{} : history_file(), signals};
  return chat_loop{answers, o.answer, signals, lines}.run();
}

result<int> chat_with_server(options o, interrupt_scope& signals) {
  if (!o.runtime.vindex.empty() || !o.runtime.cluster.topology.empty() ||
      !o.runtime.cluster.moe_shards.empty())
    return fail(errc::usage, "--url names a server, which has a model and nodes of its own");
  if (o.answer.show_special)
    return fail(errc::usage, "--show-special: a server sends no control tokens");
  o.server.ca = o.runtime.cluster.tls.ca;
  LARQL_TRY(const auto answers, server_answers::connect(o.server, signals.token()));
  return talk(*answers, o, signals);
}

result<int> chat(options o) {
  auto signals = interrupt_scope{};
  if (!o.server.url.empty())
    return chat_with_server(std::move(o), signals);
  if (!o.server.api_key_file.empty())
    return fail(errc::usage, "--api-key-file needs --url");
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto model, start_model(o.runtime, o.answer.chat_format, signals.token()));
  const auto& [text, e] = model;
  LARQL_TRY(const auto sampling, text.sampling(o.answer));
  LARQL_TRY(const auto format, text.require_format());
  if (!o.answer.quiet)
    for (const auto& note : text.notes)
      say("{}", note);
  if (o.answer.verbose)
    say_what_is_in_force(text, o.answer, sampling, false);
  auto limits = actors::session_options{};
  limits.limits.cache_bytes = 0; // the session keeps what the next turn needs
  LARQL_TRY(const auto service, e->start_sessions(std::move(limits)));
  LARQL_TRY(const auto answers, local_answers::open(model, *service, format));
  return talk(*answers, o, signals);
}

} // namespace

void add_chat(command_parser& app, action& chosen) {
  auto command = app.add_command("chat", "Talk with the model");
  auto o = std::make_shared<options>();
  o->answer.max_tokens = 1024;
  add_runtime_options(command, o->runtime);
  command.add_option("--url", o->server.url, "Server: larql serve, or another of OpenAI's API");
  command.add_option("--api-key-file", o->server.api_key_file, "File with the server's key (--url)")
      .group("Connections");
  add_session_at(command, o->runtime);
  add_speculation_options(command, o->runtime.speculation);
  add_answer_options(command, o->answer);
  command.add_flag("--no-history", o->no_history, "Do not remember what was typed");
  command.footer("larql chat gemma4.vindex --system \"Answer in one sentence.\"\n"
                 "larql chat --url http://127.0.0.1:8090\n\n"
                 "/help in the conversation shows its commands.");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(chat(*o)); }; });
}

} // namespace larql::cli
