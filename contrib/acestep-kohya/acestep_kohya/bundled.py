"""The arguments of train_network.py and sdxl_train_network.py as of early 2026, for when sd-scripts is not at hand."""

from collections.abc import Mapping
from typing import Any

from acestep_core import UserError
from acestep_kohya.arguments import FLAG, LIST, NUMBER, ONE, REPLACED, STEPS, TEXT, WHOLE, Argument, Schema

AS_OF = "early 2026"
SCRIPT = "train_network.py"

_FLAGS = """
    alpha_mask async_upload bucket_no_upscale cache_info cache_latents cache_latents_to_disk color_aug
    console_log_simple cpu_offload_checkpointing ddp_gradient_as_bucket_view ddp_static_graph debiased_estimation_loss
    debug_dataset deepspeed dim_from_weights enable_bucket enable_wildcard flip_aug fp16_master_weights_and_gradients
    fp8_base fp8_base_unet full_bf16 full_fp16 fused_backward_pass gradient_checkpointing highvram
    ip_noise_gamma_random_strength log_config lowram masked_loss mem_eff_attn network_train_text_encoder_only
    network_train_unet_only no_half_vae no_metadata noise_offset_random_strength output_config
    persistent_data_loader_workers random_crop resume_from_huggingface sample_at_first save_state
    save_state_on_train_end save_state_to_huggingface scale_v_pred_loss_like_noise_pred sdpa shuffle_caption
    skip_cache_check skip_until_initial_step torch_compile use_8bit_adam use_lion_optimizer v2 v_parameterization
    weighted_captions xformers zero3_init_flag zero3_save_16bit_model zero_terminal_snr
"""
_WHOLE = """
    bucket_reso_steps caption_dropout_every_n_epochs clip_skip dataset_repeats ddp_timeout gradient_accumulation_steps
    initial_epoch initial_step keep_tokens lr_scheduler_num_cycles lr_scheduler_timescale max_bucket_reso
    max_data_loader_n_workers max_timestep max_token_length max_train_epochs max_train_steps max_validation_steps
    min_bucket_reso min_timestep multires_noise_iterations network_dim sample_every_n_epochs sample_every_n_steps
    save_every_n_epochs save_every_n_steps save_last_n_epochs save_last_n_epochs_state save_last_n_steps
    save_last_n_steps_state save_n_epoch_ratio seed token_warmup_min train_batch_size vae_batch_size
    validate_every_n_epochs validate_every_n_steps validation_seed zero_stage
"""
_NUMBERS = """
    adaptive_noise_scale caption_dropout_rate caption_tag_dropout_rate huber_c huber_scale ip_noise_gamma learning_rate
    lr_scheduler_min_lr_ratio lr_scheduler_power max_grad_norm min_snr_gamma multires_noise_discount network_alpha
    network_dropout noise_offset prior_loss_weight scale_weight_norms token_warmup_step unet_lr v_pred_like_loss
    validation_split
"""
_STEPS = "lr_decay_steps lr_warmup_steps"
_TEXTS = """
    caption_extension caption_extention caption_prefix caption_separator caption_suffix conditioning_data_dir
    config_file console_log_file console_log_level dataset_class dataset_config dynamo_backend face_crop_aug_range
    huber_schedule huggingface_path_in_repo huggingface_repo_id huggingface_repo_type huggingface_repo_visibility
    huggingface_token in_json keep_tokens_separator log_prefix log_tracker_config log_tracker_name log_with logging_dir
    loss_type lr_scheduler lr_scheduler_type metadata_author metadata_description metadata_is_negative_embedding
    metadata_license metadata_merged_from metadata_preprocessor metadata_tags metadata_thumbnail metadata_title
    metadata_trigger_phrase metadata_usage_hint mixed_precision network_module network_weights offload_optimizer_device
    offload_optimizer_nvme_path offload_param_device offload_param_nvme_path optimizer_type output_dir output_name
    pretrained_model_name_or_path reg_data_dir resize_interpolation resolution resume sample_prompts sample_sampler
    save_model_as save_precision secondary_separator tokenizer_cache_dir train_data_dir training_comment vae
    wandb_api_key wandb_run_name
"""
_LISTS = {"optimizer_args": TEXT, "lr_scheduler_args": TEXT, "network_args": TEXT, "text_encoder_lr": NUMBER,
          "base_weights": TEXT, "base_weights_multiplier": NUMBER}  # fmt: skip
_SDXL_FLAGS = "cache_text_encoder_outputs cache_text_encoder_outputs_to_disk disable_mmap_load_safetensors"

_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "console_log_level": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "dynamo_backend": ("eager", "aot_eager", "inductor", "aot_ts_nvfuser", "nvprims_nvfuser", "cudagraphs", "ofi",
                       "fx2trt", "onnxrt", "tensort", "ipex", "tvm"),
    "huber_schedule": ("constant", "exponential", "snr"),
    "log_with": ("tensorboard", "wandb", "all"),
    "loss_type": ("l1", "l2", "huber", "smooth_l1"),
    "max_token_length": (150, 225),
    "mixed_precision": ("no", "fp16", "bf16"),
    "offload_optimizer_device": ("cpu", "nvme"),
    "offload_param_device": ("cpu", "nvme"),
    "resize_interpolation": ("lanczos", "nearest", "bilinear", "linear", "bicubic", "cubic", "area"),
    "sample_sampler": ("ddim", "pndm", "lms", "euler", "euler_a", "heun", "dpm_2", "dpm_2_a", "dpmsolver",
                       "dpmsolver++", "dpmsingle", "k_lms", "k_euler", "k_euler_a", "k_dpm_2", "k_dpm_2_a"),
    "save_model_as": ("ckpt", "pt", "safetensors"),
    "save_precision": ("float", "fp16", "bf16"),
    "zero_stage": (0, 1, 2, 3),
}  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {
    "caption_extension": ".caption",
    "gradient_accumulation_steps": 1,
    "learning_rate": 2e-6,
    "lr_scheduler": "constant",
    "lr_warmup_steps": 0,
    "max_train_steps": 1600,
    "network_alpha": 1,
    "save_model_as": "safetensors",
    "train_batch_size": 1,
}


def bundled_schema(script: str) -> Schema:
    """Raises `UserError` for a script whose arguments are not listed here."""
    if script not in (SCRIPT, f"sdxl_{SCRIPT}"):
        raise UserError(f"The arguments of {script} are not known without sd-scripts", "give --scripts FOLDER")
    flags = _FLAGS + (_SDXL_FLAGS if script.startswith("sdxl_") else "")
    found = [_argument(name, FLAG, TEXT) for name in flags.split()]
    for names, type_ in ((_WHOLE, WHOLE), (_NUMBERS, NUMBER), (_STEPS, STEPS), (_TEXTS, TEXT)):
        found += [_argument(name, ONE, type_) for name in names.split()]
    found += [_argument(name, LIST, type_) for name, type_ in _LISTS.items()]
    return Schema(script, f"the list of {AS_OF}", {a.name: a for a in found}, is_bundled=True)


def _argument(name: str, kind: str, type_: str) -> Argument:
    default = False if kind == FLAG else _DEFAULTS.get(name)
    return Argument(name, f"--{name}", kind, type_, _CHOICES.get(name, ()), default, deprecated=REPLACED.get(name, ""))
