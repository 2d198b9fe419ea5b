// Writes the seed corpora of the fuzz targets: one folder per target, one file per good input.
//
//     larql_fuzz_seeds DIR

#include "runtime/generate/prompt_file.hpp"
#include "runtime/vindex/presence.hpp"
#include "schema/codec.hpp"
#include "tests/schema/wire_v1.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/safetensors_writer.hpp"
#include "tests/support/tiny_drafter.hpp"
#include "tests/support/tiny_gguf.hpp"

#include <fmt/format.h>

namespace larql::test {
namespace {

namespace fs = std::filesystem;

void write_seed(const fs::path& dir, std::string_view name, std::string_view content) {
  fs::create_directories(dir);
  write_file(dir / name, content);
}

void vindex_seeds(const fs::path& dir, const std::string& label, const tiny_vindex& model) {
  using namespace std::string_view_literals;
  const auto seed = [&](const char* kind, std::string_view prefix, std::string_view content) {
    write_seed(dir, fmt::format("{}-{}", label, kind), std::string{prefix} + std::string{content});
  };
  seed("index", "\0"sv, read_file(model / "index.json"));
  seed("attention", "\1\x20"sv, read_file(model / "attn_weights_q4k_manifest.json"));
  seed("norms", "\2\x20"sv, read_file(model / "weight_manifest.json"));
  const auto layer = read_file(model / "layers/layer_00.weights");
  const auto size = std::uint64_t{layer.size()};
  auto head = std::string{"\3"};
  head.append(reinterpret_cast<const char*>(&size), sizeof size);
  seed("layer", head, layer.substr(0, 512));
}

void drafter_seed(const fs::path& dir) {
  const auto config = tiny_drafter{config_of({})}.config();
  write_seed(dir, "drafter", "\4" + vindex::write_drafter(config, "1.0"));
}

void checksums_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  const auto model = tiny_vindex{};
  write_seed(dir, "checksums", std::string{"\0"sv} + read_file(model / "checksums.json"));
  auto here = vindex::presence{};
  here.preset = "moe-experts";
  here.source = "tiny.vindex";
  here.parts = {vindex::part::norms, vindex::part::expert_layers};
  here.left_out = {vindex::part::attn};
  here.holds = {{0, 1, 2, 5}, {2, 2, 0, 7}};
  write_seed(dir, "slice", "\1" + write_presence(here));
}

void safetensors_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  auto tiny = all_in(quant::encoding::bf16);
  tiny.layers = 1;
  tiny.hidden = 32;
  tiny.dense_width = 32;
  tiny.expert_width = 32;
  tiny.experts = 2;
  tiny.top_k = 1;
  const auto scratch = temporary_directory{};
  write_hf(tiny_model{tiny}.checkpoint(), scratch.path());
  write_seed(dir, "config", "\1" + read_file(scratch / "config.json"));
  auto few = safetensors_writer{};
  few.tensor("b", "BF16", {2, 3}, "aabbccddeeff").tensor("a", "F32", {}, "1234");
  write_seed(dir, "few", std::string{"\0"sv} + few.bytes());
  write_seed(dir, "whole", std::string{"\0"sv} + read_file(scratch / "model.safetensors"));
}

void gguf_seeds(const fs::path& dir) {
  fs::create_directories(dir);
  auto small = tiny_gguf{};
  small.layers = 3;
  small.vocab = 300;
  small.hidden = 32;
  small.dense_width = 32;
  small.expert_width = 32;
  small.experts = 4;
  small.expert_encodings = {quant::encoding::q8_0};
  small.write(dir / "whole");
  small.tokenizer = false;
  small.write(dir / "no-tokenizer");
  auto tiny = tiny_options{};
  tiny.hidden = 32;
  tiny.dense_width = 32;
  tiny.expert_width = 32;
  tiny.experts = 4;
  gguf_of(tiny_model{tiny}.checkpoint()).write(dir / "other-writer");
  tiny.layers = tiny.experts = tiny.top_k = 1;
  tiny.hidden = 256;
  tiny.vocab = 8;
  for (const auto e : quant::all_encodings) {
    auto o = all_in(e, tiny);
    o.fused_gate_up = false;
    gguf_of(tiny_model{o}.checkpoint()).write(dir / quant::name_of(e));
  }
}

// Each side's messages as the other sends them: a byte that says who reads, then frames.
void session_seeds(const fs::path& dir) {
  auto all = std::vector<char>{};
  for (const auto& [name, message] : schema::wire_v1::session_samples()) {
    auto frame = std::vector<char>{};
    schema::encode(message, frame);
    write_seed(dir, name,
               std::string{name == "session_ask" ? '\0' : '\1'} +
                   std::string{frame.data(), frame.size()});
    all.insert(all.end(), frame.begin(), frame.end());
  }
  write_seed(dir, "all", "\1" + std::string{all.data(), all.size()});
}

void wire_seeds(const fs::path& dir) {
  for (const auto& s : schema::wire_v1::samples()) {
    auto frame = std::vector<char>{};
    schema::encode(s.message, frame);
    write_seed(dir, s.name, {frame.data(), frame.size()});
  }
  // A call that the target's node computes: layer 2 of mixed_options() takes plain floats or 8 bit.
  for (const auto format : {quant::activation_format::f32, quant::activation_format::q8_32,
                            quant::activation_format::q8_256}) {
    const auto hidden = mixed_options().hidden;
    auto activations = std::vector<std::byte>(
        hidden * (format == quant::activation_format::f32 ? 4 : 1), std::byte{1});
    const auto block = format == quant::activation_format::q8_32 ? 32u : 256u;
    auto scales =
        std::vector<float>(format == quant::activation_format::f32 ? 0 : hidden / block, 0.01f);
    const auto rows = std::vector<std::uint32_t>{0, 0};
    const auto ids = std::vector<std::uint16_t>{2, 4};
    const auto weights = std::vector<float>{0.5f, 0.25f};
    auto call = schema::expert_call{};
    call.id = 5;
    call.layer = 2;
    call.rows = 1;
    call.format = format;
    call.activations = activations;
    call.scales = std::as_bytes(std::span{scales});
    call.pick_rows = std::as_bytes(std::span{rows});
    call.pick_experts = std::as_bytes(std::span{ids});
    call.pick_weights = std::as_bytes(std::span{weights});
    auto frame = std::vector<char>{};
    schema::encode(call, frame);
    write_seed(dir, fmt::format("real-call-{}", static_cast<int>(format)),
               {frame.data(), frame.size()});
  }
}

void tokenizer_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  write_seed(dir, "no-edits", "\1\0hello abc  <|turn>user\nab"sv);
  write_seed(dir, "good-text", "\2 aab c<bos><|channel>thought\n\xc3\xa9 <0x41>"sv);
}

void hub_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  const auto sha1 = std::string(40, 'a'), sha256 = std::string(64, 'b');
  const auto object = [&](std::string_view header) {
    return fmt::format(R"(%{{"objects":[{{"oid":"{}","size":250,"actions":{{"upload":{{"href":)"
                       R"("https://s/1","header":{}}},"verify":{{"href":"https://h/v"}}}}}}]}})",
                       sha256, header);
  };
  const auto kind = [](char n, std::string text) {
    text[0] = n;
    return text;
  };
  write_seed(dir, "tree",
             kind(0, fmt::format(R"(%[{{"type":"file","path":"a/b","size":3,"oid":"{0}"}},)"
                                 R"({{"type":"file","path":"c","size":3,"oid":"{0}",)"
                                 R"("lfs":{{"oid":"{1}","size":5000}}}}])",
                                 sha1, sha256)));
  write_seed(dir, "revision", kind(1, fmt::format(R"(%{{"sha":"{}"}})", sha1)));
  write_seed(dir, "preupload", "\2{\"files\":[{\"path\":\"a\",\"uploadMode\":\"lfs\"}]}"sv);
  write_seed(dir, "basic", kind(3, object(R"({"X-A":"b"})")));
  write_seed(dir, "parts",
             kind(3, object(R"({"chunk_size":"100","00001":"u","00002":"v","00003":"w"})")));
  write_seed(dir, "link", "\4<https://a/p>; rel=\"prev\", <https://a/n>; rel=\"next\""sv);
  write_seed(dir, "journal",
             "\5larql-pull 1 1000 abc\nboot b1\n+ 0 10\nv 0 5\nsync\n- 2 3\n+ 10 20\n"sv);
  write_seed(
      dir, "state",
      kind(6, fmt::format(R"(%{{"version":1,"repo":"a/b","revision":"main","commit":"{0}",)"
                          R"("files":[{{"path":"x","bytes":3,"sha256":"","git_blob":"{0}"}}]}})",
                          sha1)));
  write_seed(dir, "redirect", "\7https://cdn.co/x?y=z"sv);
  write_seed(
      dir, "upload",
      kind(8, fmt::format(R"(%{{"version":1,"repository":"https://hub/a/b",{})",
                          object(R"({"chunk_size":100,"1":"u","2":"v","3":"w"})").substr(2)) +
                  "\n2 \"e\"\n"));
  write_seed(dir, "path", "\7hf://a/b@main"sv);
}

// The target adds the digests.
void prompt_seeds(const fs::path& dir) {
  const auto vindex = tiny_vindex{};
  const auto model = *running_model::open(vindex.path());
  const auto s = model->new_sequence();
  LARQL_CHECK(static_cast<bool>(model->executor().append(*s, random_ids(5, 128))));
  const auto scratch = temporary_directory{};
  LARQL_CHECK(
      static_cast<bool>(generate::write_prompt_file(scratch / "prompt", {}, s->share(s->size()))));
  auto all = read_file(scratch / "prompt");
  const auto head = std::size_t{84} + 3 * 16 + 5 * 4;
  all.erase(head, 32);
  all.resize(all.size() - 32);
  write_seed(dir, "five-tokens", all);
}

void topology_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  for (const auto& example : fs::directory_iterator{test::source_dir() / "deploy/topologies"})
    for (const auto who : {'\0', '\1'})
      write_seed(dir, fmt::format("{}-{}", example.path().stem().string(), static_cast<int>(who)),
                 who + read_file(example.path()));
  write_seed(dir, "map",
             "\2"
             "0-63=caf://a:9470,64-127=tls://[::1]:9470"sv);
  write_seed(dir, "url", "\3https://host.example"sv);
  write_seed(dir, "duration",
             "\4"
             "250ms"sv);
}

void grammar_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  write_seed(dir, "object",
             "\0{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\","
             "\"maxLength\":5},\"b\":{\"enum\":[1,null,\"x\"]}},\"required\":[\"a\"]}\0abcdef"sv);
  write_seed(
      dir, "tree",
      "\0{\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"},\"minItems\":1,"
      "\"maxItems\":3}},\"anyOf\":[{\"$ref\":\"#/$defs/t\"},{\"type\":\"number\",\"minimum\":-1.5}]}\0xyz"sv);
  write_seed(dir, "call",
             "\1{\"type\":\"object\",\"allOf\":[{\"properties\":{\"a\":{\"format\":\"date\"}}},"
             "{\"additionalProperties\":{\"type\":\"integer\",\"maximum\":9}}]}\0abc"sv);
  write_seed(dir, "pattern", "\2^(a|[^b-d]{2,9})+\\d\\u00e9$\0hello"sv);
  write_seed(dir, "rules", "\3\x7b{\"type\":\"object\"}\0choices of tokens"sv);
}

void output_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  write_seed(dir, "call", "\0\0\5\xf1\xf3thought\6a\x9\xfb\xd\xf1\xd\xa\3"sv);
  write_seed(dir, "tool",
             "\1{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":"
             "\"string\","
             "\"enum\":[\"x\"]}}},\"required\":[\"a\"]}\0{\"a\":[\"x\",null,{\"b\":1.5}]}"sv);
}

void api_seeds(const fs::path& dir) {
  using namespace std::string_view_literals;
  write_seed(
      dir, "chat",
      "\0{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},"
      "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"x\"}],\"tools\":[{\"function\":"
      "{\"name\":\"f\",\"parameters\":{}}}],\"stop\":[\"a\"],\"n\":2,\"logprobs\":true}"sv);
  write_seed(dir, "completions", "\1{\"prompt\":[[1,2],\"a\"],\"logprobs\":2,\"seed\":-1}"sv);
  write_seed(dir, "responses",
             "\2{\"input\":[{\"type\":\"reasoning\",\"summary\":[]},{\"type\":\"function_call\","
             "\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\"},{\"type\":"
             "\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}],\"text\":{\"format\":"
             "{\"type\":\"json_schema\",\"schema\":{}}}}"sv);
  write_seed(dir, "messages",
             "\3{\"system\":[{\"type\":\"text\",\"text\":\"a\"}],\"messages\":[{\"role\":\"user\","
             "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[]}]}],"
             "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9}}"sv);
  write_seed(
      dir, "ollama",
      "\5{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"options\":{\"num_predict\":1},"
      "\"think\":\"low\",\"format\":\"json\",\"keep_alive\":\"5m\"}"sv);
}

} // namespace
} // namespace larql::test

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: larql_fuzz_seeds DIR\n");
    return 2;
  }
  const auto dir = std::filesystem::path{argv[1]};
  using namespace larql::test;
  vindex_seeds(dir / "vindex", "q4k",
               tiny_vindex{k_quant_options(), larql::vindex::quant_kind::q4k});
  vindex_seeds(dir / "vindex", "mixed", tiny_vindex{mixed_options()});
  auto apart = k_quant_options();
  apart.fused_gate_up = false;
  apart.up = larql::quant::encoding::iq2_xs;
  vindex_seeds(dir / "vindex", "apart", tiny_vindex{apart});
  drafter_seed(dir / "vindex");
  checksums_seeds(dir / "checksums");
  gguf_seeds(dir / "gguf");
  safetensors_seeds(dir / "safetensors");
  wire_seeds(dir / "wire");
  session_seeds(dir / "session");
  tokenizer_seeds(dir / "tokenizer");
  hub_seeds(dir / "hub");
  topology_seeds(dir / "topology");
  prompt_seeds(dir / "prompt");
  grammar_seeds(dir / "grammar");
  output_seeds(dir / "output");
  api_seeds(dir / "api");
  return 0;
}
