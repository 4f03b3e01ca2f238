/* golden.h: bytes that vLLM 0.32.0 sent, as captured from its socket. */
#ifndef SLUICE_SIM_GOLDEN_H
#define SLUICE_SIM_GOLDEN_H

/* clang-format off */
static const char golden_chat_role[] =
	"data: {\"id\":\"chatcmpl-adbab924a9aaaddf\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\""
	"},\"logprobs\":null,\"finish_reason\":null}],\"prompt_token_ids\":"
	"null,\"prompt_text\":null}\n\n";
static const char golden_chat_delta[] =
	"data: {\"id\":\"chatcmpl-adbab924a9aaaddf\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"content\":\" bede\"},\"logprobs\":nu"
	"ll,\"finish_reason\":null,\"token_ids\":null}]}\n\n";
static const char golden_chat_last[] =
	"data: {\"id\":\"chatcmpl-adbab924a9aaaddf\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"content\":\"omu\"},\"logprobs\":null"
	",\"finish_reason\":\"length\",\"stop_reason\":null,\"token_ids\":n"
	"ull}],\"system_fingerprint\":\"vllm-0.32.0-35ba560c\"}\n\n";
static const char golden_chat_last_usage[] =
	"data: {\"id\":\"chatcmpl-baee87ad51453181\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"content\":\"omu\"},\"logprobs\":null"
	",\"finish_reason\":\"length\",\"stop_reason\":null,\"token_ids\":n"
	"ull}]}\n\n";
static const char golden_chat_usage[] =
	"data: {\"id\":\"chatcmpl-baee87ad51453181\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[],\"usage\":{\"prompt_tokens\":47,\"total_tokens\":55,\"comple"
	"tion_tokens\":8,\"prompt_tokens_details\":{\"cached_tokens\":0,\"c"
	"reated_cache_tokens\":0}},\"system_fingerprint\":\"vllm-0.32.0-35b"
	"a560c\"}\n\n";
static const char golden_cont_role[] =
	"data: {\"id\":\"chatcmpl-bf0d648bfcef0a03\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\""
	"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":{\"prompt_t"
	"okens\":47,\"total_tokens\":47,\"completion_tokens\":0,\"completio"
	"n_tokens_details\":null},\"prompt_token_ids\":null,\"prompt_text\""
	":null}\n\n";
static const char golden_cont_delta[] =
	"data: {\"id\":\"chatcmpl-bf0d648bfcef0a03\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"content\":\" bedeuru\"},\"logprobs\""
	":null,\"finish_reason\":null,\"token_ids\":null}],\"usage\":{\"pro"
	"mpt_tokens\":47,\"total_tokens\":49,\"completion_tokens\":2,\"comp"
	"letion_tokens_details\":null}}\n\n";
static const char golden_cont_last[] =
	"data: {\"id\":\"chatcmpl-bf0d648bfcef0a03\",\"object\":\"chat.comp"
	"letion.chunk\",\"created\":1795225197,\"model\":\"tiny\",\"choices"
	"\":[{\"index\":0,\"delta\":{\"content\":\"aci givo\"},\"logprobs\""
	":null,\"finish_reason\":\"length\",\"stop_reason\":null,\"token_id"
	"s\":null}],\"usage\":{\"prompt_tokens\":47,\"total_tokens\":51,\"c"
	"ompletion_tokens\":4,\"completion_tokens_details\":null}}\n\n";
static const char golden_comp_delta[] =
	"data: {\"id\":\"cmpl-892ed98f57d7f5d1\",\"object\":\"text_completi"
	"on\",\"created\":1795225227,\"model\":\"tiny\",\"choices\":[{\"ind"
	"ex\":0,\"text\":\" love\",\"logprobs\":null,\"finish_reason\":null"
	",\"stop_reason\":null,\"prompt_token_ids\":null,\"token_ids\":null"
	"}]}\n\n";
static const char golden_comp_last[] =
	"data: {\"id\":\"cmpl-892ed98f57d7f5d1\",\"object\":\"text_completi"
	"on\",\"created\":1795225227,\"model\":\"tiny\",\"choices\":[{\"ind"
	"ex\":1,\"text\":\" rurure\",\"logprobs\":null,\"finish_reason\":\""
	"length\",\"stop_reason\":null,\"prompt_token_ids\":null,\"token_id"
	"s\":null}],\"system_fingerprint\":\"vllm-0.32.0-35ba560c\"}\n\n";
static const char golden_comp_usage[] =
	"data: {\"id\":\"cmpl-b13a3a31f34c685e\",\"object\":\"text_completi"
	"on\",\"created\":1795225227,\"model\":\"tiny\",\"choices\":[],\"us"
	"age\":{\"prompt_tokens\":8,\"total_tokens\":12,\"completion_tokens"
	"\":4,\"prompt_tokens_details\":{\"cached_tokens\":0}},\"system_fin"
	"gerprint\":\"vllm-0.32.0-35ba560c\"}\n\n";
static const char golden_chat[] =
	"{\"id\":\"chatcmpl-b77080805e6c0e01\",\"object\":\"chat.completion"
	"\",\"created\":1795225195,\"model\":\"tiny\",\"choices\":[{\"index"
	"\":0,\"message\":{\"role\":\"assistant\",\"content\":\" bedeuruaci"
	" givo basanaedoomu\",\"refusal\":null,\"annotations\":null,\"audio"
	"\":null,\"function_call\":null,\"reasoning\":null},\"logprobs\":nu"
	"ll,\"finish_reason\":\"length\",\"stop_reason\":null,\"token_ids\""
	":null,\"routed_experts\":null}],\"service_tier\":null,\"system_fin"
	"gerprint\":\"vllm-0.32.0-35ba560c\",\"usage\":{\"prompt_tokens\":4"
	"7,\"total_tokens\":55,\"completion_tokens\":8,\"prompt_tokens_deta"
	"ils\":{\"cached_tokens\":0,\"created_cache_tokens\":0,\"multimodal"
	"_tokens\":null},\"completion_tokens_details\":null},\"prompt_logpr"
	"obs\":null,\"prompt_token_ids\":null,\"prompt_text\":null,\"kv_tra"
	"nsfer_params\":null,\"ec_transfer_params\":null,\"metrics\":null}";
static const char golden_comp[] =
	"{\"id\":\"cmpl-94d105f53a6e1740\",\"object\":\"text_completion\",\""
	"created\":1795225226,\"model\":\"tiny\",\"choices\":[{\"index\":0,"
	"\"text\":\" vovegiov fafi\",\"logprobs\":null,\"finish_reason\":\""
	"length\",\"stop_reason\":null,\"token_ids\":null,\"prompt_logprobs"
	"\":null,\"prompt_token_ids\":null,\"routed_experts\":null}],\"serv"
	"ice_tier\":null,\"system_fingerprint\":\"vllm-0.32.0-35ba560c\",\""
	"usage\":{\"prompt_tokens\":8,\"total_tokens\":12,\"completion_toke"
	"ns\":4,\"prompt_tokens_details\":{\"cached_tokens\":0,\"created_ca"
	"che_tokens\":null,\"multimodal_tokens\":null},\"completion_tokens_"
	"details\":null},\"kv_transfer_params\":null,\"ec_transfer_params\""
	":null,\"metrics\":null}";
static const char golden_models[] =
	"{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model"
	"\",\"created\":1795225195,\"owned_by\":\"vllm\",\"root\":\"models/"
	"tiny-llama\",\"parent\":null,\"max_model_len\":1024,\"permission\""
	":[{\"id\":\"modelperm-b5f18763a870e8d1\",\"object\":\"model_permis"
	"sion\",\"created\":1795225195,\"allow_create_engine\":false,\"allo"
	"w_sampling\":true,\"allow_logprobs\":true,\"allow_search_indices\""
	":false,\"allow_view\":true,\"allow_fine_tuning\":false,\"organizat"
	"ion\":\"*\",\"group\":null,\"is_blocking\":false}]},{\"id\":\"tiny"
	"-alias\",\"object\":\"model\",\"created\":1795225195,\"owned_by\":"
	"\"vllm\",\"root\":\"models/tiny-llama\",\"parent\":null,\"max_mode"
	"l_len\":1024,\"permission\":[{\"id\":\"modelperm-b5f18763a870e8d1\""
	",\"object\":\"model_permission\",\"created\":1795225195,\"allow_cr"
	"eate_engine\":false,\"allow_sampling\":true,\"allow_logprobs\":tru"
	"e,\"allow_search_indices\":false,\"allow_view\":true,\"allow_fine_"
	"tuning\":false,\"organization\":\"*\",\"group\":null,\"is_blocking"
	"\":false}]}]}";
static const char golden_error[] =
	"{\"error\":{\"message\":\"max_tokens must be at least 1, got 0. (p"
	"arameter=max_tokens, value=0)\",\"type\":\"BadRequestError\",\"par"
	"am\":\"max_tokens\",\"code\":400}}";
static const char golden_error_null[] =
	"{\"error\":{\"message\":\"min_tokens must be less than or equal to"
	" max_tokens=1, got 5.\",\"type\":\"BadRequestError\",\"param\":nul"
	"l,\"code\":400}}";
static const char golden_error_event[] =
	"data: {\"error\": {\"message\": \"Internal server error\", \"type\""
	": \"InternalServerError\", \"param\": null, \"code\": 500}}\n\n";
static const char golden_params[] =
	"{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_bl"
	"ock_ids\":[[1,2,3,4,5,6,7,8,9]],\"remote_engine_id\":\"7d97812e-58"
	"41-480a-a012-9fae4732771d\",\"remote_request_id\":\"cmpl-sluice-00"
	"01-0-9985fb0a\",\"remote_host\":\"127.0.0.1\",\"remote_port\":5600"
	",\"tp_size\":1,\"dcp_size\":1,\"pp_size\":1,\"remote_num_tokens\":"
	"265,\"remote_blocks_expiry_time\":null,\"transfer_mode\":\"pull\","
	"\"remote_prefill_cached_tokens\":0}";
static const char golden_params_four[] =
	"{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_bl"
	"ock_ids\":[[1,2,3,4,5,6,7,8,20]],\"remote_engine_id\":\"7d97812e-5"
	"841-480a-a012-9fae4732771d\",\"remote_request_id\":\"cmpl-b1eeed2a"
	"f7124b70-0-9a413ba2\",\"remote_host\":\"127.0.0.1\",\"remote_port\""
	":5600,\"tp_size\":1,\"dcp_size\":1,\"pp_size\":1,\"remote_num_toke"
	"ns\":268,\"remote_blocks_expiry_time\":null,\"transfer_mode\":\"pu"
	"ll\"}";
/* clang-format on */

#endif
