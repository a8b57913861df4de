"""What the fields of the objects in deploy/kubernetes and deploy/docker may be,
as JSON Schemas: those of the API that an operator of one pod could use. A field
that is not here is a typing error, because Kubernetes drops it without a word.
"""

TEXT, FLAG = {"type": "string", "minLength": 1}, {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "maxLength": 63}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
PORT_OR_NAME = {"anyOf": [PORT, {**NAME, "maxLength": 15}]}
MAP = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
PATH = {"type": "string", "pattern": "^/"}


def obj(needed="", **fields):
    """An object with these fields and no others, of which some are needed."""
    return {"type": "object", "properties": fields,
            "additionalProperties": False, "required": needed.split()}


def many(one):
    return {"type": "array", "items": one, "minItems": 1}


def one_of(*words):
    return {"enum": list(words)}


# ---- Kubernetes

META = obj("name", name=NAME, namespace=NAME, labels=MAP, annotations=MAP)
SELECTOR = obj(matchLabels=MAP)


def kind(version, name, **fields):
    return obj("apiVersion kind metadata " + " ".join(fields),
               apiVersion={"const": version}, kind={"const": name},
               metadata=META, **fields)


PROBE = obj("httpGet", httpGet=obj("path port", path=PATH, port=PORT_OR_NAME,
                                   scheme=one_of("HTTP", "HTTPS")),
            initialDelaySeconds=COUNT, periodSeconds=COUNT,
            timeoutSeconds=COUNT, successThreshold=COUNT,
            failureThreshold=COUNT)
AMOUNTS = {"type": "object", "propertyNames": one_of(
    "cpu", "memory", "ephemeral-storage"), "additionalProperties": QUANTITY}
ENV = obj("name", name=TEXT, value={"type": "string"})
SECCOMP = obj("type", type=one_of("RuntimeDefault", "Localhost"),
              localhostProfile=TEXT)
CONTAINER = obj(
    "name image", name=NAME, image=TEXT,
    imagePullPolicy=one_of("Always", "IfNotPresent", "Never"),
    command=many(TEXT), args=many(TEXT), env=many(ENV),
    ports=many(obj("containerPort", name={**NAME, "maxLength": 15},
                   containerPort=PORT, protocol=one_of("TCP", "UDP"))),
    startupProbe=PROBE, livenessProbe=PROBE, readinessProbe=PROBE,
    resources=obj(requests=AMOUNTS, limits=AMOUNTS),
    securityContext=obj(
        allowPrivilegeEscalation=FLAG, readOnlyRootFilesystem=FLAG,
        runAsNonRoot=FLAG, runAsUser=COUNT, runAsGroup=COUNT, privileged=FLAG,
        capabilities=obj(add=many(TEXT), drop=many(TEXT)),
        seccompProfile=SECCOMP),
    volumeMounts=many(obj("name mountPath", name=NAME, mountPath=PATH,
                          subPath=TEXT, readOnly=FLAG)))
VOLUME = {
    **obj("name", name=NAME,
          configMap=obj("name", name=NAME, defaultMode=COUNT, optional=FLAG),
          secret=obj("secretName", secretName=NAME, defaultMode=COUNT,
                     optional=FLAG),
          emptyDir=obj(medium=TEXT, sizeLimit=QUANTITY)),
    "minProperties": 2, "maxProperties": 2}
POD = obj(
    "containers", containers=many(CONTAINER), initContainers=many(CONTAINER),
    volumes=many(VOLUME), enableServiceLinks=FLAG,
    automountServiceAccountToken=FLAG, serviceAccountName=NAME,
    terminationGracePeriodSeconds=COUNT, priorityClassName=NAME,
    nodeSelector=MAP, imagePullSecrets=many(obj("name", name=NAME)),
    securityContext=obj(
        runAsNonRoot=FLAG, runAsUser=COUNT, runAsGroup=COUNT, fsGroup=COUNT,
        fsGroupChangePolicy=one_of("OnRootMismatch", "Always"),
        seccompProfile=SECCOMP))
CLAIM = obj("metadata spec", metadata=META, spec=obj(
    "accessModes resources", accessModes=many(one_of(
        "ReadWriteOnce", "ReadWriteOncePod")),
    storageClassName=NAME, volumeMode=one_of("Filesystem"),
    resources=obj("requests", requests=obj("storage", storage=QUANTITY))))
RETENTION = one_of("Retain", "Delete")
POLICY_PORTS = many(obj("port", port=PORT_OR_NAME,
                        protocol=one_of("TCP", "UDP")))
PEERS = many(obj(namespaceSelector=SELECTOR, podSelector=SELECTOR,
                 ipBlock=obj("cidr", cidr=TEXT)))
BACKEND = obj("service", service=obj(
    "name port", name=NAME, port=obj(name=NAME, number=PORT)))

KUBERNETES = {
    ("apps/v1", "StatefulSet"): kind("apps/v1", "StatefulSet", spec=obj(
        "replicas serviceName selector template", replicas=COUNT,
        serviceName=NAME, selector=SELECTOR, minReadySeconds=COUNT,
        podManagementPolicy=one_of("OrderedReady", "Parallel"),
        persistentVolumeClaimRetentionPolicy=obj(
            whenDeleted=RETENTION, whenScaled=RETENTION),
        template=obj("metadata spec", metadata=obj(
            "labels", labels=MAP, annotations=MAP), spec=POD),
        volumeClaimTemplates=many(CLAIM))),
    ("v1", "Service"): kind("v1", "Service", spec=obj(
        "selector ports", selector=MAP, clusterIP=TEXT,
        type=one_of("ClusterIP"),
        ports=many(obj("name port", name=NAME, port=PORT,
                       targetPort=PORT_OR_NAME,
                       protocol=one_of("TCP", "UDP"))))),
    ("policy/v1", "PodDisruptionBudget"): kind(
        "policy/v1", "PodDisruptionBudget", spec=obj(
            "selector", maxUnavailable=COUNT, minAvailable=COUNT,
            selector=SELECTOR)),
    ("networking.k8s.io/v1", "Ingress"): kind(
        "networking.k8s.io/v1", "Ingress", spec=obj(
            "rules", ingressClassName=NAME,
            tls=many(obj("hosts", hosts=many(TEXT), secretName=NAME)),
            rules=many(obj("host http", host=TEXT, http=obj(
                "paths", paths=many(obj(
                    "path pathType backend", path=PATH,
                    pathType=one_of("Prefix", "Exact"),
                    backend=BACKEND))))))),
    ("networking.k8s.io/v1", "NetworkPolicy"): kind(
        "networking.k8s.io/v1", "NetworkPolicy", spec=obj(
            "podSelector policyTypes", podSelector=SELECTOR,
            policyTypes=many(one_of("Ingress", "Egress")),
            ingress=many(obj("from", **{"from": PEERS},
                             ports=POLICY_PORTS)),
            egress=many(obj(to=PEERS, ports=POLICY_PORTS)))),
    ("v1", "Secret"): obj(
        "apiVersion kind metadata stringData", apiVersion={"const": "v1"},
        kind={"const": "Secret"}, metadata=META, type=one_of("Opaque"),
        stringData=MAP),
}

KUSTOMIZATION = obj(
    "apiVersion kind resources",
    apiVersion={"const": "kustomize.config.k8s.io/v1beta1"},
    kind={"const": "Kustomization"}, namespace=NAME, resources=many(TEXT),
    configMapGenerator=many(obj("name files", name=NAME, files=many(TEXT))),
    images=many(obj("name", name=TEXT, newName=TEXT, newTag=TEXT,
                    digest=TEXT)))

# ---- Compose

DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h))+$"}
SERVICE = obj(
    "image networks cap_drop security_opt", image=TEXT,
    build=obj("context", context=TEXT, dockerfile=TEXT),
    restart=one_of("no", "always", "on-failure", "unless-stopped"),
    stop_grace_period=DURATION, environment=MAP, command=many(TEXT),
    secrets=many(NAME | {"pattern": "^[a-z0-9_]+$"}),
    configs=many(obj("source target", source=NAME, target=PATH)),
    volumes=many(TEXT), ports=many(TEXT), networks=many(NAME),
    depends_on=many(NAME), read_only=FLAG, cap_drop=many(TEXT),
    security_opt=many(TEXT), mem_limit={"type": "string"},
    logging=obj("driver", driver=TEXT, options=MAP))


def named(one):
    return {"type": "object", "propertyNames": {"pattern": "^[a-z0-9_]+$"},
            "additionalProperties": one}


COMPOSE = obj(
    "services", name=NAME, services=named(SERVICE),
    configs=named(obj("content", content=TEXT)),
    secrets=named(obj("file", file=TEXT)),
    volumes=named({"anyOf": [{"type": "null"}, obj(name=TEXT, external=FLAG)]}),
    networks=named({"anyOf": [{"type": "null"}, obj(internal=FLAG)]}))
