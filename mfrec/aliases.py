"""What others call the things that mfrec has: an error hints at the name here."""

# In lower case, without dashes, underscores and blanks.
_OTHER_NAMES = {
    # losses
    "mse": "rmse l2 ls sse squared squarederror quadratic",
    "mae": "l1 absolute absoluteerror",
    "huber": "smoothl1 huberloss",
    "logistic": "bce logloss sigmoid crossentropy binarycrossentropyloss",
    "poisson": "count counts pmf hpf",
    "bpr": "bprloss bprmf bprmax pairwise top1",
    "hinge": "triplet margin marginranking maxmargin cml hingeloss",
    "sampled_logistic": "bce bceloss pointwise neumf ncf gmf logisticmf lmf",
    "sampled_softmax": "ssm infonce nce ntxent contrastive inbatchsoftmax",
    "cosine_contrastive": "ccl simplex",
    "softmax": "ce crossentropy categoricalcrossentropy nll multinomial",
    "implicit_squared": "ials als wals wmf wrmf implicit implicitals",
    # models
    "matrix_factorization": "mf biasedmf svd funksvd biasedsvd factorization dotproduct",
    "svdpp": "svd++ svdplusplus",
    # negative samplers
    "uniform": "random",
    "popularity": "pop popular frequency unigram zipf",
    "in_batch": "batch",
    # splits
    "leave_last_out": "loo leaveoneout leave1out lastout",
    "temporal": "time chronological bytime timestamp",
    "per_user": "user byuser userbased stratified",
    "held_out_users": "stronggeneralization newusers colduser coldusers",
    "held_out_items": "coldstart colditem colditems newitems",
    "random": "holdout ratio shuffle",
    # optimizers
    "sgd": "gd momentum nesterov gradientdescent",
    # data sets and presets
    "movielens-100k": "ml100k movielens",
    "movielens-1m": "ml1m",
    "ncf-movielens-1m": "ncf neumf",
    # metrics
    "rmse": "mse rms",
    "hr": "hit hits hitrate hitratio",
    "precision": "p prec",
    "recall": "r rec",
    "ndcg": "dcg",
    "map": "ap averageprecision",
    "mrr": "rr reciprocalrank",
    # other choices
    "basic": "on true yes",
    "table": "csv tsv text wide",
    "matrix": "dense pivot wide",
    "npy": "numpy npz",
    "savedmodel": "tf tensorflow keras h5 pb",
    "constant": "none fixed",
    # flags
    "learning_rate": "lr rate eta stepsize alpha",
    "embedding_dim": "d dim dims dimension dimensions rank factors nfactors numfactors latentdim "
    "embeddingsize embedsize embsize embdim hidden hiddendim",
    "epochs": "numepochs nepochs iterations niter maxiter",
    "regularization": "reg l2 l2reg lambda weightdecay wd regularizer",
    "num_negatives": "negatives numneg numnegs nneg negsamples",
    "negative_sampler": "sampler sampling negsampler",
    "k": "n topk topn top",
    "cutoffs": "k ks topk topn at",
    "ratings": "data input inputfile file path datafile csv interactions test testfile",
    "dataset": "data",
    "train_ratings": "train trainfile training",
    "validation_ratings": "valid val validation validfile dev",
    "test_ratings": "test testfile",
    "run_dir": "output out outputdir outdir logdir savedir modeldir checkpoint name model run",
    "output_dir": "out outdir",
    "output_file": "out file csv",
    "batch_size": "bs batch minibatch",
    "seed": "randomseed randomstate rng",
    "early_stopping_patience": "patience earlystop earlystopping",
    "eval_metric": "metric monitor validmetric",
    "num_folds": "folds kfold nfolds nsplits",
    "cross_validate": "cv crossvalidation kfold",
    "delimiter": "sep separator delim",
    "user_column": "userid uid usercol",
    "item_column": "itemid iid itemcol",
    "rating_column": "rating ratingcol score value",
    "timestamp_column": "time timestamp timecol timecolumn",
    "item_labels": "titles labels names",
    "init_from": "resume restore continue warmstart pretrained",
    "clip_norm": "clip gradclip maxgradnorm",
    "use_bias": "bias biases biased",
    "overwrite": "force replace",
    "min_rating": "threshold",
    "min_user_interactions": "mininteractions kcore",
    "all_users": "users",
    "jit_compile": "xla jit compile",
    "run_eagerly": "eager debug",
    "test_fraction": "testsize testratio",
    "validation_fraction": "valsize valratio validationsplit",
    "learning_rate_schedule": "schedule scheduler lrschedule",
    "learning_rate_decay": "decay lrdecay gamma",
}

ALIASES: dict[str, list[str]] = {}
for _name, _others in _OTHER_NAMES.items():
    for _other in _others.split():
        ALIASES.setdefault(_other, []).append(_name)
