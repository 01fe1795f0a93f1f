"""The arguments of Kohya's train_network.py that training songs does not follow: why, and what to do instead."""

from collections.abc import Mapping

PICTURES = "about pictures or noise schedules that this model does not have"
ANYWAY = "done anyway"
MACHINE = "about how Kohya's program runs"
LABELS = "about labels that are not written into the adapter"

_IGNORED = {
    PICTURES: """
        v2 v_parameterization vae clip_skip max_token_length tokenizer_cache_dir xformers sdpa mem_eff_attn
        no_half_vae vae_batch_size noise_offset noise_offset_random_strength adaptive_noise_scale
        multires_noise_iterations multires_noise_discount ip_noise_gamma ip_noise_gamma_random_strength
        zero_terminal_snr scale_v_pred_loss_like_noise_pred v_pred_like_loss debiased_estimation_loss
        sample_sampler weighted_captions resolution enable_bucket min_bucket_reso max_bucket_reso bucket_reso_steps
        bucket_no_upscale resize_interpolation flip_aug color_aug random_crop face_crop_aug_range alpha_mask
        masked_loss conditioning_data_dir fp8_base_unet disable_mmap_load_safetensors
    """,
    ANYWAY: """
        sample_at_first cache_latents cache_latents_to_disk cache_text_encoder_outputs
        cache_text_encoder_outputs_to_disk cache_info skip_cache_check network_train_unet_only save_state
        save_state_on_train_end save_last_n_epochs_state save_last_n_steps_state
    """,
    MACHINE: """
        lowram highvram max_data_loader_n_workers persistent_data_loader_workers console_log_file console_log_level
        console_log_simple log_config log_prefix log_tracker_name log_tracker_config ddp_timeout
        ddp_gradient_as_bucket_view ddp_static_graph torch_compile dynamo_backend async_upload debug_dataset
        config_file output_config save_precision full_fp16 full_bf16 cpu_offload_checkpointing
    """,
    LABELS: """
        no_metadata training_comment metadata_description metadata_is_negative_embedding metadata_merged_from
        metadata_preprocessor metadata_tags metadata_thumbnail metadata_title metadata_usage_hint
    """,
}
IGNORED: Mapping[str, str] = {name: why for why, names in _IGNORED.items() for name in names.split()}

_DATASET = ("belongs to the songs, which are encoded before", "say it in the dataset's TOML, and encode that")
_SAMPLES = ("counts samples in epochs", "write [sample] every = 500, which counts steps")
_HELD_OUT = ("is not how songs are held out here", "delete it; run: acestep-core dataset save SONGS --validation 0.1")
_T = ("limits t, which is the sampler's business here", "write [sampler] with its options instead")
_GROUPS = ("is not offered", "delete it")
_ONE = ("is about several machines or processes, and here one process trains", "delete it")
_WEIGHTS = ("starts from other weights, and an adapter starts anew here", "delete it")
_RESUME = ("is not how a run goes on here", "delete it; the same command with the same out goes on by itself")
_UPLOAD = ("uploads, and nothing is uploaded here", "delete it")
_KEPT = ("counts checkpoints otherwise", "write [save] keep = 3 instead")

_REFUSED = {
    "train_data_dir reg_data_dir in_json dataset_class caption_extension caption_extention caption_prefix "
    "caption_suffix caption_separator shuffle_caption keep_tokens keep_tokens_separator secondary_separator "
    "enable_wildcard caption_dropout_rate caption_dropout_every_n_epochs caption_tag_dropout_rate token_warmup_min "
    "token_warmup_step dataset_repeats": _DATASET,
    "sample_every_n_epochs": _SAMPLES,
    "validation_split validation_seed validate_every_n_epochs max_validation_steps": _HELD_OUT,
    "min_timestep max_timestep": _T,
    "scale_weight_norms lr_decay_steps lr_scheduler_power lr_scheduler_timescale lr_scheduler_type lr_scheduler_args "
    "huber_c huber_scale huber_schedule fused_backward_pass network_train_text_encoder_only fp8_base "
    "fp16_master_weights_and_gradients use_lion_optimizer": _GROUPS,
    "deepspeed zero_stage zero3_init_flag zero3_save_16bit_model offload_optimizer_device offload_optimizer_nvme_path "
    "offload_param_device offload_param_nvme_path": _ONE,
    "network_weights dim_from_weights base_weights base_weights_multiplier": _WEIGHTS,
    "resume resume_from_huggingface initial_epoch initial_step skip_until_initial_step": _RESUME,
    "save_state_to_huggingface huggingface_path_in_repo huggingface_repo_id huggingface_repo_type "
    "huggingface_repo_visibility huggingface_token wandb_api_key wandb_run_name": _UPLOAD,
    "save_last_n_steps save_n_epoch_ratio": _KEPT,
}  # fmt: skip
REFUSED: Mapping[str, tuple[str, str]] = {name: told for names, told in _REFUSED.items() for name in names.split()}
"""Name -> (why, what to do)."""
