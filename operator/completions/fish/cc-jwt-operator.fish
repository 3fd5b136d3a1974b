# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_cc_jwt_operator_global_optspecs
    string join \n watch-namespaces= watch-all-namespaces no-watch-secrets once dry-run leader-election listen= per-resource-metrics h/help V/version
end

function __fish_cc_jwt_operator_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_cc_jwt_operator_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_cc_jwt_operator_using_subcommand
    set -l cmd (__fish_cc_jwt_operator_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l watch-namespaces -d 'Namespaces to watch [default: the operator\'s own]' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l listen -d 'Address of /livez, /readyz and /metrics, such as 0.0.0.0:8080 in a pod' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l watch-all-namespaces -d 'Watch all namespaces; needs a ClusterRole that can read every Secret of the cluster'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l no-watch-secrets -d 'Do not watch Secrets and ConfigMaps: check each resource every minute instead'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l once -d 'Reconcile each resource once, then exit: 0 if all tokens are valid, 1 otherwise'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l dry-run -d 'Like --once, but only report what would be written'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l leader-election -d 'Work only while holding the Lease \'cc-jwt-operator\': for several replicas'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -l per-resource-metrics -d 'Add metrics with the namespace and name of each resource'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -s V -l version -d 'Print version'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -f -a "crd" -d 'Print the custom resource definition'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -f -a "manifests" -d 'Print the objects that install the operator, for \'kubectl apply -f -\''
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -f -a "adopt" -d 'Take over the resources of another operator, with the rights of an administrator'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand crd" -s h -l help -d 'Print help'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l namespace -d 'Namespace of the operator' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l image -d 'Image of the operator' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l watch-namespaces -d 'Namespaces to watch [default: the operator\'s own]' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l watch-all-namespaces -d 'Watch all namespaces: a ClusterRole that can read every Secret of the cluster'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l no-watch-secrets -d 'Grant no right to watch Secrets and ConfigMaps: each resource is checked every minute instead'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l leader-election -d 'Run two replicas, of which one works'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -l per-resource-metrics -d 'Add metrics with the namespace and name of each resource'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand manifests" -s h -l help -d 'Print help'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand adopt" -l namespace -d 'Namespace of cluster-scoped resources that have neither a Secret nor a key in a namespace' -r
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand adopt" -l save -d 'File to save the resources in; it must not exist' -r -F
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand adopt" -l dry-run -d 'Only report what would change'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand help; and not __fish_seen_subcommand_from crd manifests adopt help" -f -a "crd" -d 'Print the custom resource definition'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand help; and not __fish_seen_subcommand_from crd manifests adopt help" -f -a "manifests" -d 'Print the objects that install the operator, for \'kubectl apply -f -\''
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand help; and not __fish_seen_subcommand_from crd manifests adopt help" -f -a "adopt" -d 'Take over the resources of another operator, with the rights of an administrator'
complete -c cc-jwt-operator -n "__fish_cc_jwt_operator_using_subcommand help; and not __fish_seen_subcommand_from crd manifests adopt help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
