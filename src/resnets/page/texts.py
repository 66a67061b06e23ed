"""Texts: every sentence of a judgement's page, in English and in simplified Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = get_args(Language)

HTML_LANGUAGES: Mapping[Language, str] = MappingProxyType({"en": "en", "zh": "zh-Hans"})
"""What a page says its language is, by which a browser chooses the forms of its characters."""


def text(key: str, language: Language, **values: object) -> str:
    """Return one text with its values in place; raise `ValueError` for a language that there is none in.

    >>> text("of_pictures", "en", count=3)
    '3 pictures'
    """
    if language not in LANGUAGES:
        raise ValueError(f"--lang {language} is not possible; allowed: {', '.join(LANGUAGES)}")
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def probability(share: float) -> str:
    """Return a probability in words; one that would be rounded to none or to all is said to be near it.

    >>> probability(0.5), probability(0.99999)
    ('50.0%', '>99.9%')
    """
    if share < 0.0005:
        return "<0.1%"
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # The page.
        "contents": ("Contents", "目录"),
        "title_evaluation": ("{model} on {data}", "{model} 在 {data} 上的评估"),
        "title_run": ("Training {model} on {data}", "在 {data} 上训练 {model}"),
        "subtitle": (
            "{count:,} {split} pictures, {classes:,} classes. Fingerprint of the data: {sha256}.",
            "{count:,} 张{split}图片，{classes:,} 个类别。数据指纹：{sha256}。",
        ),
        "subtitle_untested": (
            "There are no test pictures: nothing here says how good the model is. Fingerprint of the data: {sha256}.",
            "没有测试图片，因此本页不能说明模型有多好。数据指纹：{sha256}。",
        ),
        "test": ("test", "测试"),
        "train": ("training", "训练"),
        "held out": ("held out", "留出"),
        "footer": (
            "Made by resnets {version}. Nothing in this page comes from anywhere else.",
            "由 resnets {version} 生成。本页不从别处加载任何内容。",
        ),
        "unseen": ("cannot be shown", "无法显示"),
        "of_pictures": ("{count:,} pictures", "{count:,} 张图片"),
        "more": ("and {count:,} more", "另有 {count:,} 项"),
        "yes": ("yes", "是"),
        "no": ("no", "否"),
        "none": ("none", "无"),
        "notes": ("Worth knowing", "须知"),
        # Headline numbers.
        "top1": ("top-1 accuracy", "top-1 准确率"),
        "top5": ("top-5 accuracy", "top-5 准确率"),
        "map": ("mean average precision", "平均精度均值（mAP）"),
        "f1": ("F1, mean of classes", "F1（各类平均）"),
        "loss": ("loss (nats)", "损失（nat）"),
        "ece": ("calibration error (ECE)", "校准误差（ECE）"),
        "ece_after": ("{after} at temperature {temperature}", "温度 {temperature} 时为 {after}"),
        "interval": ("{low} to {high} at 95 %", "95 % 区间 {low} 至 {high}"),
        "right_of": ("{right:,} of {count:,} right", "{count:,} 张中答对 {right:,} 张"),
        "pictures": ("pictures", "图片"),
        "skipped_count": ("{count:,} skipped", "跳过 {count:,} 张"),
        # Curves.
        "curves": ("How the run went", "训练过程"),
        "curve_loss": ("Loss (nats)", "损失（nat）"),
        "curve_accuracy": ("Accuracy", "准确率"),
        "curve_map": ("All classes right in training; mAP of {split}", "训练：全部类别答对的比例；{split}：mAP"),
        "curve_lr": ("Learning rate", "学习率"),
        "epoch": ("epoch", "轮次"),
        "trained_for": (
            "{epochs:g} epochs in {steps:,} steps, {seconds} of training.",
            "共 {epochs:g} 轮、{steps:,} 步，训练用时 {seconds}。",
        ),
        # Confusion.
        "confusion": ("What is taken for what", "混淆矩阵"),
        "matrix_caption": (
            "Rows: the class of a picture. Columns: the answer. Blue is right, orange is wrong; the stronger, the "
            "larger the share of the row.",
            "行：图片的真实类别；列：模型的回答。蓝色为答对，橙色为答错；颜色越深，占该行的比例越大。",
        ),
        "cell": ("{count} of {true} answered {answer}", "{true} 中有 {count} 张答为 {answer}"),
        "heat_caption": (
            "A square for each pair of classes, numbered as in the table of classes. Blue is right, orange is wrong; "
            "the stronger, the larger the share of the row.",
            "每一格对应一对类别，编号见下方类别表。蓝色为答对，橙色为答错；颜色越深，占该行的比例越大。",
        ),
        "heat_none": (
            "{count:,} classes are too many for a heat map; these are the pairs that are confused most.",
            "共 {count:,} 个类别，无法绘制热图；下表列出最常混淆的类别对。",
        ),
        "axis_true": ("class of the picture", "真实类别"),
        "axis_answer": ("answer", "模型的回答"),
        "pairs": ("Most confused", "最常混淆"),
        "no_pairs": ("No picture was answered wrongly.", "没有一张图片答错。"),
        "class": ("class", "类别"),
        "taken_for": ("taken for", "被认作"),
        "share_of_class": ("of its class", "占该类"),
        # Classes.
        "classes": ("Classes", "各类别"),
        "precision": ("precision", "精确率"),
        "recall": ("recall", "召回率"),
        "f1_short": ("F1", "F1"),
        "ap": ("AP", "AP"),
        "most_often": ("most often taken for", "最常被误认为"),
        "lowest": ("The {count} classes with the lowest {number}", "{number} 最低的 {count} 个类别"),
        "all_classes": ("All {count:,} classes", "全部 {count:,} 个类别"),
        "first_classes": (
            "The first {shown:,} of {count:,} classes; the others: resnets evaluate --json",
            "共 {count:,} 个类别，此处列出前 {shown:,} 个；其余请用 resnets evaluate --json 查看",
        ),
        "above_half": (
            "Precision, recall and F1 count a class as answered where its probability is above 50 %.",
            "计算精确率、召回率和 F1 时，概率超过 50 % 即视为答出该类别。",
        ),
        # Calibration.
        "calibration": ("Can its probabilities be believed?", "概率是否可信"),
        "reliability_before": ("As the network says it: ECE {ece}", "网络原始输出：ECE {ece}"),
        "reliability_after": ("At temperature {temperature}: ECE {ece}", "温度 {temperature} 校准后：ECE {ece}"),
        "happened": ("was right", "实际正确率"),
        "gap": ("gap to what was said", "与所报概率之差"),
        "confidence": ("probability that was said", "模型所报概率"),
        "share_of_answers": ("share of the answers", "回答占比"),
        "reliability_caption": (
            "A model that can be believed is right as often as it says: its bars end on the dashed line.",
            "可信的模型说多大概率，就有多大比例答对：柱顶应落在虚线上。",
        ),
        "from_card": (
            "The temperature is the model's own: it is in its card, and every answer is given at it.",
            "温度取自模型自身的卡片，模型的每个回答都按此温度给出。",
        ),
        "from_halves": (
            "The model has no temperature of its own. This one is fitted to each half of these pictures and judged on "
            "the other half; to keep one in the model: resnets calibrate.",
            "模型没有自带温度。这里用一半图片拟合、另一半检验，两半互换；要把温度存入模型，请用 resnets calibrate。",
        ),
        "before": ("as it is", "原始"),
        "after": ("at the temperature", "校准后"),
        "nll": ("log loss (nats)", "对数损失（nat）"),
        "brier": ("Brier score", "Brier 分数"),
        # Selective answers.
        "coverage": ("What if it may say that it does not know?", "允许回答“不知道”时"),
        "coverage_chart": ("Mistakes among the surest answers", "只保留最有把握的回答时的错误率"),
        "coverage_axis": ("share of the pictures that is answered", "作答图片的比例"),
        "risk": ("wrong", "错误率"),
        "answered": ("answered", "作答比例"),
        "threshold": ("at a probability from", "概率下限"),
        "area": (
            "Mean over all shares (AURC): {area}. The surest answers come first; the lower the curve, the better the "
            "model knows when it is right.",
            "所有作答比例下的平均错误率（AURC）：{area}。回答按把握从大到小排列；曲线越低，说明模型越清楚自己何时正确。",
        ),
        "unknown": (
            "Below a probability of {threshold} this model answers “unknown”. Here it answers {answered} of the "
            "pictures, and {wrong} of those answers are wrong.",
            "概率低于 {threshold} 时，该模型回答“未知”。在这些图片中，它回答了 {answered}，其中 {wrong} 答错。",
        ),
        "unknown_all": (
            "Below a probability of {threshold} this model answers “unknown”. Here it answers none of the pictures.",
            "概率低于 {threshold} 时，该模型回答“未知”。在这些图片中，它一张也没有回答。",
        ),
        # Slices.
        "slices": ("Parts of the pictures", "分组结果"),
        "value": ("value", "取值"),
        "at_95": ("at 95 %", "95 % 区间"),
        "all_right": ("all classes right", "全部类别答对"),
        "slices_caption": (
            "The line is the 95 % interval, in a field from {low} to {high}: parts whose lines overlap may well be "
            "equally good.",
            "横线为 95 % 区间，刻度从 {low} 到 {high}：区间重叠的分组，好坏可能并无差别。",
        ),
        # Pictures.
        "worst": ("Worst mistakes", "最严重的错误"),
        "worst_lead": (
            "The wrong answers that were given with the highest probability. Some of them may be wrong labels.",
            "以最高概率给出的错误回答。其中有些可能是标注错误。",
        ),
        "uncertain": ("Least certain", "最没有把握"),
        "uncertain_lead": (
            "The pictures whose answer has the lowest probability.",
            "回答概率最低的图片。",
        ),
        "uncertain_several": (
            "The pictures that have a class with a probability closest to 50 %.",
            "某一类别的概率最接近 50 % 的图片。",
        ),
        "no_mistakes": ("There is no wrong answer to show.", "没有答错的图片。"),
        "said": ("said", "回答"),
        "is": ("is", "实为"),
        "not_there": ("not there", "误报"),
        "missed": ("missed", "漏报"),
        "near_half": ("unsure", "难定"),
        # What is known of model and data.
        "preflight": ("What the pre-flight found", "训练前检查的发现"),
        "preflight_none": (
            "No manifest was obeyed: the pre-flight left nothing out, or the pictures were not looked at.",
            "没有使用清单：训练前检查没有剔除任何图片，或图片未经检查。",
        ),
        "rule": ("rule", "规则"),
        "left_out": ("left out", "剔除"),
        "kept": ("kept", "保留"),
        "doctor": ("What the doctor said", "医生的诊断"),
        "doctor_none": ("The doctor said nothing.", "医生没有发现问题。"),
        "step": ("step", "步"),
        "says": ("what it said", "诊断"),
        "model": ("Model", "模型"),
        "network": ("network", "网络"),
        "task": ("a picture has", "每张图片"),
        "task_class": ("one class", "一个类别"),
        "task_classes": ("any number of classes", "任意多个类别"),
        "classes_count": ("classes", "类别数"),
        "started_from": ("started from", "起点"),
        "trained_on": ("trained on", "训练数据"),
        "trained_pictures": ("training pictures", "训练图片数"),
        "temperature": ("temperature", "温度"),
        "unknown_below": ("unknown below", "低于此概率为未知"),
        "data": ("Data", "数据"),
        "name": ("name", "名称"),
        "split": ("split", "划分"),
        "fingerprint": ("fingerprint (sha256)", "指纹（sha256）"),
        "recipe": ("Recipe", "训练配方"),
        "recipe_none": ("The model's file does not say how it was trained.", "模型文件没有说明它是如何训练的。"),
        "request": ("What was asked for", "训练请求"),
        "preprocess": ("Preprocessing", "预处理"),
        "environment": ("Environment", "环境"),
        "skipped": ("Pictures that were skipped", "被跳过的图片"),
        "skipped_fold": (
            "{count:,} pictures could not be read, and count nowhere",
            "{count:,} 张图片无法读取，不计入任何结果",
        ),
        "picture": ("picture", "图片"),
        "reason": ("reason", "原因"),
        "repeat": ("To repeat it", "重现方法"),
        "repeat_no_file": (
            "The pictures were given as an object and not as files; put theirs in place of DATA.",
            "图片是以对象而非文件给出的；请用相应数据代替 DATA。",
        ),
    }
)
"""Each text by its key: in English, in simplified Chinese."""
