// larql tokenize: text to token ids and back.

#include "cli/laptop/answer_printer.hpp"
#include "cli/support/command.hpp"
#include "cli/support/model_path.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/vindex/format.hpp"

#include <fmt/ranges.h>

#include <sstream>

namespace larql::cli {

namespace {

struct options {
  std::string vindex;
  std::string text;
  std::string ids;
  bool decode = false;
  bool bos = false;
};

result<void> run(const options& o) {
  auto needs = hub::pull_request{};
  needs.parts = {vindex::part::tokenizer};
  LARQL_TRY(const auto dir, resolve_model(o.vindex, needs));
  LARQL_TRY(const auto tokens, text::tokenizer::load(dir / vindex::tokenizer_file));
  if (o.decode) {
    LARQL_TRY(const auto ids, parse_ids(o.ids, "--decode"));
    for (const auto id : ids)
      if (id >= tokens.size())
        return fail(errc::usage, "--decode: token id {} is outside the vocabulary of {}", id,
                    tokens.size());
    print_answer(tokens.decode(ids));
    return {};
  }
  LARQL_TRY(const auto ids, tokens.encode(o.text, o.bos, text::control_text::becomes_tokens));
  print_text(fmt::format("{}\n", fmt::join(ids, " ")));
  return {};
}

} // namespace

result<std::vector<std::uint32_t>> parse_ids(const std::string& text, std::string_view option) {
  auto out = std::vector<std::uint32_t>{};
  auto in = std::istringstream{text};
  auto word = std::string{};
  while (in >> word) {
    const auto id = parse_number<std::uint32_t>(word);
    if (!id)
      return fail(errc::usage, "{}: \"{}\" is not a token id", option, word);
    out.push_back(*id);
  }
  if (out.empty())
    return fail(errc::usage, "{}: no token ids", option);
  return out;
}

void add_tokenize(command_parser& app, action& chosen) {
  auto command = app.add_command("tokenize", "Print the token ids of a text, or a text of ids");
  auto o = std::make_shared<options>();
  command.add_option("vindex", o->vindex, "Vindex, GGUF file, checkpoint, or hf://OWNER/NAME")
      .required();
  auto text = command.add_option("text", o->text, "Text to encode");
  auto decode = command.add_option("--decode", o->ids, "Token ids to print as text");
  command.add_flag("--bos", o->bos, "Put <bos> in front");
  text.excludes(decode);
  command.footer("larql tokenize gemma4.vindex \"Why is the sky blue?\"\n"
                 "larql tokenize gemma4.vindex --decode \"2 105 514\"");
  command.require_any({text, decode}, "text or --decode");
  command.callback([o, decode, &chosen] {
    o->decode = decode.is_given();
    chosen = [o] { return exit_code(run(*o)); };
  });
}

} // namespace larql::cli
