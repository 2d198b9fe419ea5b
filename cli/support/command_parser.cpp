#include "cli/support/command_parser.hpp"

#include "cli/support/help.hpp"
#include "cli/support/number_check.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <fmt/format.h>

#include <sstream>

namespace larql::cli {

// ---- options ------------------------------------------------------------------------------------

command_option command_option::required() {
  option_->required();
  return *this;
}

command_option command_option::group(const std::string& heading) {
  option_->group(heading);
  return *this;
}

command_option command_option::check(value_check c) {
  option_->check(std::move(c));
  return *this;
}

command_option command_option::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember{values});
  return *this;
}

command_option command_option::suggest(const std::vector<std::string>& values) {
  option_->type_name(fmt::format("{{{}}}", fmt::join(values, ",")));
  return *this;
}

command_option command_option::excludes(command_option other) {
  option_->excludes(other.option_);
  return *this;
}

command_option command_option::delimiter(char between) {
  option_->delimiter(between);
  return *this;
}

command_option command_option::show_default() {
  option_->capture_default_str();
  return *this;
}

bool command_option::is_given() const {
  return option_->count() != 0;
}

// ---- commands -----------------------------------------------------------------------------------

namespace {

struct requirement {
  const CLI::App* command;
  std::vector<command_option> any_of;
  std::string called;
};

} // namespace

struct command_parser::program_state {
  CLI::App app;
  std::vector<requirement> requirements;
  bool has_number_checks = false;
};

command_parser command_parser::add_command(const std::string& name, const std::string& text) {
  return {app_->add_subcommand(name, text), program_};
}

namespace {

// An option that may be repeated takes the word behind it and not the next ones, which may be
// arguments of the command.
CLI::Option* one_value_each(CLI::Option* option) {
  return option->get_positional() ? option : option->allow_extra_args(false);
}

} // namespace

command_option command_parser::add_option(const std::string& names, std::string& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::filesystem::path& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, int& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::uint16_t& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::uint32_t& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::uint64_t& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, float& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, double& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::optional<std::string>& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names,
                                          std::optional<std::uint16_t>& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names,
                                          std::optional<std::uint32_t>& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::optional<float>& to,
                                          const std::string& text) {
  return command_option{app_->add_option(names, to, text)};
}
command_option command_parser::add_option(const std::string& names, std::vector<std::string>& to,
                                          const std::string& text) {
  return command_option{one_value_each(app_->add_option(names, to, text))};
}
command_option command_parser::add_option(const std::string& names, std::vector<std::uint32_t>& to,
                                          const std::string& text) {
  return command_option{one_value_each(app_->add_option(names, to, text))};
}

command_option command_parser::add_flag(const std::string& names, bool& to,
                                        const std::string& text) {
  return command_option{app_->add_flag(names, to, text)};
}
command_option command_parser::add_flag(const std::string& names, std::string& to,
                                        const std::string& text) {
  return command_option{app_->add_flag(names, to, text)};
}

command_option command_parser::add_switch(const std::string& names, std::optional<bool>& to,
                                          const std::string& text) {
  return command_option{app_->add_flag_function(
      names, [&to](std::int64_t n) { to = n > 0; }, text)};
}

void command_parser::require_command() {
  app_->require_subcommand(1);
}

void command_parser::require_any(std::vector<command_option> options, const std::string& called) {
  program_->requirements.push_back({app_, std::move(options), called});
}

void command_parser::footer(const std::string& text) {
  app_->footer(text);
}

void command_parser::callback(std::function<void()> f) {
  app_->callback(std::move(f));
}

// ---- descriptions -------------------------------------------------------------------------------

namespace {

// "a", "b" of a type name like "TEXT:{a,b}".
std::vector<std::string> choices_of(const std::string& type) {
  const auto begin = type.find('{'), end = type.find('}');
  auto out = std::vector<std::string>{};
  if (begin == std::string::npos || end == std::string::npos)
    return out;
  auto all = std::stringstream{type.substr(begin + 1, end - begin - 1)};
  for (auto one = std::string{}; std::getline(all, one, ',');)
    out.push_back(one);
  return out;
}

option_description describe_option(const CLI::Option& o) {
  auto out = option_description{};
  out.text = o.get_description();
  out.default_value = o.get_default_str();
  out.group = o.get_group();
  out.required = o.get_required();
  out.positional = o.get_positional() && o.get_lnames().empty() && o.get_snames().empty();
  out.takes_value = o.get_items_expected_max() > 0;
  out.choices = choices_of(o.get_type_name());
  if (out.positional) {
    out.names.push_back(o.get_single_name());
    return out;
  }
  for (const auto& name : o.get_snames())
    out.names.push_back("-" + name);
  for (const auto& name : o.get_lnames())
    out.names.push_back("--" + name);
  return out;
}

command_description describe_command(const CLI::App& app, const std::string& path) {
  auto out = command_description{};
  out.path = path;
  out.text = app.get_description();
  const auto footer = app.get_footer();
  const auto end = footer.find("\n\n");
  auto lines = std::stringstream{footer.substr(0, end)};
  for (auto line = std::string{}; std::getline(lines, line);)
    out.examples.push_back(line);
  if (end != std::string::npos)
    out.notes = footer.substr(end + 2);
  for (const auto* o : app.get_options())
    if (!o->get_group().empty()) // hidden otherwise
      out.options.push_back(describe_option(*o));
  std::stable_partition(out.options.begin(), out.options.end(),
                        [](const auto& o) { return o.positional; });
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!sub->get_name().empty() && !sub->get_group().empty())
      out.commands.push_back(describe_command(*sub, path + ' ' + sub->get_name()));
  return out;
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : path_of(*app.get_parent()) + ' ' + app.get_name();
}

} // namespace

bool command_parser::has_commands() const {
  return !app_->get_subcommands([](const CLI::App*) { return true; }).empty();
}

command_description command_parser::describe() const {
  return describe_command(*app_, path_of(*app_));
}

// ---- programs -----------------------------------------------------------------------------------

program_parser::program_parser(const std::string& name, const std::string& text)
    : command_parser(nullptr, nullptr), state_(std::make_unique<program_state>()) {
  program_ = state_.get();
  app_ = &state_->app;
  app_->name(name);
  app_->description(text);
  app_->set_help_flag("-h,--help", "Explain the common options");
  app_->set_help_all_flag("--help-all", "Explain everything");
}

program_parser::~program_parser() = default;

void program_parser::set_version(const std::string& text) {
  app_->set_version_flag("--version", text);
}

namespace {

// Every option of the program that takes numbers, and of its commands.
void check_numbers(CLI::App& app) {
  for (auto* option : app.get_options()) {
    const auto type = option->get_type_name();
    if (type == "UINT")
      option->check(whole_number());
    else if (type == "FLOAT") // what is in range is for the option's owner to say
      option->check(any_number());
  }
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
    check_numbers(*command);
}

// Of the command that the line names.
std::string help_for(const CLI::App& app, bool all) {
  const auto* command = &app;
  while (!command->get_subcommands().empty())
    command = command->get_subcommands()[0];
  return help_text(describe_command(*command, path_of(*command)), all);
}

// "--port: is ..." of number_check.hpp without its colon.
std::string text_of(const CLI::ValidationError& error) {
  auto text = std::string{error.what()};
  if (const auto at = text.find(": is \""); at != std::string::npos)
    text.erase(at, 1);
  return text;
}

std::string text_of(const CLI::ConversionError& error) {
  const auto text = std::string{error.what()};
  constexpr auto begin = std::string_view{"Could not convert: "};
  return text.starts_with(begin) ? text.substr(begin.size()) + ": too large, or no number" : text;
}

} // namespace

parse_outcome program_parser::parse(std::vector<std::string> words) {
  using kind = parse_outcome::kind;
  if (!std::exchange(state_->has_number_checks, true))
    check_numbers(*app_);
  try {
    std::reverse(words.begin(), words.end()); // as CLI11 takes them
    app_->parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return {kind::told, help_for(*app_, false)};
  } catch (const CLI::CallForAllHelp&) {
    return {kind::told, help_for(*app_, true)};
  } catch (const CLI::CallForVersion& e) {
    return {kind::told, std::string{e.what()} + '\n'};
  } catch (const CLI::ExtrasError& e) {
    return {kind::surplus, e.what()};
  } catch (const CLI::RequiredError& e) {
    return {kind::missing, e.what()};
  } catch (const CLI::ValidationError& e) {
    return {kind::wrong, text_of(e)};
  } catch (const CLI::ConversionError& e) {
    return {kind::wrong, text_of(e)};
  } catch (const CLI::ParseError& e) {
    return {kind::wrong, e.what()};
  }
  for (const auto& r : state_->requirements)
    if (r.command->parsed() &&
        std::none_of(r.any_of.begin(), r.any_of.end(), [](const auto& o) { return o.is_given(); }))
      return {kind::missing, r.called + " is required"};
  return {};
}

} // namespace larql::cli
