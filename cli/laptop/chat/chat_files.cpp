// chat_loop: what it reads from files and writes to them.

#include "cli/laptop/chat/chat_loop.hpp"
#include "cli/laptop/chat/conversation_file.hpp"
#include "cli/laptop/chat/editor.hpp"
#include "cli/support/command.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/generate/prompt_file.hpp"
#include "runtime/text/utf8.hpp"

#include <cstdlib>
#include <system_error>

namespace larql::cli {

namespace {

// More than any context holds.
constexpr std::uint64_t max_file_bytes = 16u << 20;

// As a shell expands it.
std::filesystem::path path_of(const std::string& typed) {
  const auto* home = std::getenv("HOME");
  if (home != nullptr && (typed == "~" || typed.starts_with("~/")))
    return home + typed.substr(1);
  return typed;
}

bool is_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto unit = text::next_utf8(bytes);
    if (unit.what != text::utf8_unit::kind::scalar || unit.scalar == 0)
      return false;
    bytes.remove_prefix(unit.length);
  }
  return true;
}

} // namespace

void chat_loop::obey_files(const chat_order& order) {
  if (order.what == chat_command::edit)
    return note(edit(order.argument));
  if (order.argument.empty())
    return note(fail(errc::usage, "the file is missing"));
  if (order.what == chat_command::read)
    note(read(order.argument));
  else if (order.what == chat_command::save)
    note(save(order.argument));
  else
    note(load(order.argument));
}

result<void> chat_loop::edit(const std::string& begin) {
  auto written = [&] {
    const auto editors = line_reader::loan{lines_};
    return edit_text(begin);
  }();
  LARQL_TRY(auto text, std::move(written));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    tell("Nothing was written, nothing is sent.");
    return {};
  }
  take({std::move(text)});
  return {};
}

result<void> chat_loop::read(const std::string& file) {
  LARQL_TRY(auto text, read_text_file(path_of(file), max_file_bytes));
  if (!is_text(text))
    return fail(errc::usage, "{}: is no text in UTF-8", file);
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.pop_back();
  if (text.empty())
    return fail(errc::usage, "{}: is empty", file);
  tell(fmt::format("{}: {} bytes stand in front of your next message.", file, text.size()));
  files_ += (files_.empty() ? "" : "\n\n") + text;
  return {};
}

// The text is what counts: what was computed of it can be computed again.
result<void> chat_loop::save(const std::string& file) {
  const auto path = path_of(file);
  const auto cache = cache_file_of(path);
  LARQL_TRY(const auto has_cache, path_exists(cache));
  if (has_cache && !generate::read_prompt_head(cache))
    return fail(errc::usage, "{}: is there, and holds no keys and values; another name?",
                cache.string());
  LARQL_TRY_VOID(save_conversation(talk_, path));
  const auto kept = answers_.save(talk_.to_read(), flags_, cache);
  if (!kept)
    say("{}; the text is saved, and is read again after /load", kept.error().text);
  if (kept && *kept) {
    tell(fmt::format("Saved, with the keys and values of {} tokens.", **kept));
    return {};
  }
  if (has_cache) { // of what had the name before
    auto ignored = std::error_code{};
    std::filesystem::remove(cache, ignored);
  }
  tell("Saved.");
  return {};
}

result<void> chat_loop::load(const std::string& file) {
  const auto path = path_of(file);
  LARQL_TRY(auto loaded, load_conversation(path));
  talk_ = std::move(loaded);
  files_.clear();
  answers_.forget();
  const auto questions = (talk_.turns().size() + 1) / 2;
  const auto text = fmt::format("{} question{}", questions, questions == 1 ? "" : "s");
  const auto cache = cache_file_of(path);
  LARQL_TRY(const auto has_cache, path_exists(cache));
  const auto kept =
      has_cache ? answers_.load(cache) : result<std::optional<std::size_t>>{std::nullopt};
  if (!kept)
    say("{}; the conversation is read again with the next question", kept.error().text);
  if (kept && *kept)
    tell(fmt::format("{}, with the keys and values of {} tokens.", text, **kept));
  else
    tell(text + ".");
  return {};
}

} // namespace larql::cli
