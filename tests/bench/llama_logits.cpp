// llama.cpp's logits, for compare_kinds: at every position of a prompt and of the MORE tokens that
// it finds most likely behind it, as raw f32 [tokens][vocabulary]; the ids of those tokens on
// stdout, behind "ids: ". KV cache in f32, no flash attention. Compiled by compare_kinds in the
// peer's own system; no part of this project's build.
//
//     llama_logits MODEL OUT MORE ID...

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <ggml-backend.h>
#include <llama.h>

int main(int argc, char** argv) {
  if (argc < 5)
    return 2;
  ggml_backend_load_all();
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level >= GGML_LOG_LEVEL_ERROR)
          std::fputs(text, stderr);
      },
      nullptr);
  auto* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr)
    return 1;
  auto ids = std::vector<llama_token>{};
  for (int i = 4; i < argc; ++i)
    ids.push_back(std::atoi(argv[i]));
  const auto count = static_cast<int>(ids.size());
  const auto more = std::atoi(argv[3]);
  auto options = llama_context_default_params();
  options.n_ctx = static_cast<unsigned>(count + more) + 64;
  options.n_batch = options.n_ubatch = static_cast<unsigned>(count);
  options.n_threads = options.n_threads_batch = 2;
  options.type_k = options.type_v = GGML_TYPE_F32;
  options.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  options.swa_full = true;
  auto* context = llama_init_from_model(model, options);
  if (context == nullptr)
    return 1;
  auto batch = llama_batch_init(count, 0, 1);
  batch.n_tokens = count;
  for (int i = 0; i < count; ++i) {
    batch.token[i] = ids[static_cast<std::size_t>(i)];
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(context, batch) != 0)
    return 1;
  auto* out = std::fopen(argv[2], "wb");
  if (out == nullptr)
    return 1;
  const auto vocabulary =
      static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  for (int i = 0; i < count; ++i)
    std::fwrite(llama_get_logits_ith(context, i), sizeof(float), vocabulary, out);
  std::printf("\nids: ");
  for (int i = 0; i < more; ++i) {
    const auto* last = llama_get_logits_ith(context, -1);
    batch.n_tokens = 1;
    batch.token[0] = static_cast<llama_token>(std::max_element(last, last + vocabulary) - last);
    batch.pos[0] = count + i;
    if (llama_decode(context, batch) != 0)
      return 1;
    std::printf("%d ", batch.token[0]);
    std::fwrite(llama_get_logits_ith(context, 0), sizeof(float), vocabulary, out);
  }
  std::printf("\n");
  return std::fclose(out) == 0 ? 0 : 1;
}
