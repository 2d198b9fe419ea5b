#include "cli/laptop/chat/conversation_file.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"

namespace larql::cli {

namespace {

constexpr auto format_name = "larql-conversation";
constexpr std::uint64_t version = 1;
constexpr std::uint64_t max_bytes = 256u << 20;
constexpr std::uint64_t max_turns = 1u << 20;

result<text::chat_message> read_turn(const json& turn, const std::string& where, bool is_question) {
  const auto fields = json_fields{turn, where};
  LARQL_TRY(const auto role, fields.string("role"));
  const auto* expected = is_question ? "user" : "model";
  if (role != expected)
    return fail(errc::corrupt, "{}: role is \"{}\", expected {}", where, role, expected);
  auto out = text::chat_message{is_question ? text::chat_role::user : text::chat_role::model};
  LARQL_TRY(out.content, fields.string("content"));
  if (fields.has("thoughts")) {
    LARQL_TRY(out.reasoning, fields.string("thoughts"));
  }
  return out;
}

} // namespace

std::string conversation_text(const conversation& c) {
  auto out = ordered_json::object();
  out["format"] = format_name;
  out["version"] = version;
  out["system"] = c.system();
  out["left_out"] = c.left_out();
  out["cut"] = c.is_cut();
  auto turns = ordered_json::array();
  for (const auto& m : c.turns()) {
    auto one = ordered_json::object();
    one["role"] = m.role == text::chat_role::user ? "user" : "model";
    one["content"] = m.content;
    if (!m.reasoning.empty())
      one["thoughts"] = m.reasoning;
    turns.push_back(std::move(one));
  }
  out["turns"] = std::move(turns);
  // Bytes that are no UTF-8 can come from a terminal.
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

result<conversation> parse_conversation(std::string_view text, std::string_view name) {
  const auto where = std::string{name};
  LARQL_TRY(const auto all, parse_json(text, name));
  const auto fields = json_fields{all, where};
  const auto format = fields.string("format");
  if (!format || *format != format_name)
    return fail(errc::corrupt, "{}: is no conversation of larql chat", name);
  LARQL_TRY_VOID(fields.require_version(version));
  LARQL_TRY(const auto system, fields.string("system"));
  LARQL_TRY(const auto left_out, fields.unsigned_integer("left_out", max_turns));
  LARQL_TRY(const auto cut, fields.boolean("cut"));
  LARQL_TRY(const auto* turns, fields.array("turns"));
  auto out = conversation{system};
  for (auto i = std::size_t{0}; i < turns->size(); ++i) {
    LARQL_TRY(auto turn, read_turn((*turns)[i], fmt::format("{}: turns[{}]", name, i), i % 2 == 0));
    if (i % 2 == 0)
      out.ask(std::move(turn.content));
    else
      out.answer(std::move(turn.content), std::move(turn.reasoning), cut && i + 1 == turns->size());
  }
  if (left_out % 2 != 0 || left_out / 2 > out.removable_turns())
    return fail(errc::corrupt, "{}: left_out is {}, expected an even number below {}", name,
                left_out, turns->size());
  out.leave_out(left_out / 2);
  return out;
}

result<void> save_conversation(const conversation& c, const std::filesystem::path& file) {
  LARQL_TRY(const auto exists, path_exists(file));
  if (exists) {
    LARQL_TRY_VOID(load_conversation(file));
  }
  LARQL_TRY(auto out, file_writer::create(file, file_access::owner_only));
  const auto text = conversation_text(c);
  LARQL_TRY_VOID(out.write(std::as_bytes(std::span{text})));
  return out.commit();
}

result<conversation> load_conversation(const std::filesystem::path& file) {
  LARQL_TRY(const auto text, read_text_file(file, max_bytes));
  return parse_conversation(text, file.string());
}

std::filesystem::path cache_file_of(const std::filesystem::path& file) {
  return file.string() + ".kv";
}

} // namespace larql::cli
